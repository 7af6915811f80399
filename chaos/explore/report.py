"""What `chaos explore` prints: what there was, what was checked, what is wrong and why."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

from chaos.explore.exploring import Exploration, Group
from chaos.explore.minimising import Cause
from chaos.explore.twice import Recoveries
from chaos.explore.wording import in_words

SHOWN: Final = 3


def big(number: int) -> str:
    """A number that may have hundreds of digits, so that a reader can grasp it."""
    if number < 1_000_000:
        return f"{number:,}"
    digits = str(number)
    return f"{digits[0]}.{digits[1]} x 10^{len(digits) - 1}"


def show(console: Console, result: Exploration) -> None:
    """All of it."""
    console.print(_figures(result))
    for line in notes(result):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for number, group in enumerate(result.groups, 1):
        for line in lines_about(number, group, result):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _figures(result: Exploration) -> Table:
    found, recorded = result.enumeration, result.recorded
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    rows = [
        ("I/O operations", f"{len(recorded.operations):,}"),
        ("explored from operation", f"{recorded.first:,}"),
        ("transactions acknowledged", f"{recorded.acknowledged:,}"),
        ("checkpoints", f"{recorded.checkpoints:,}"),
        ("places", f"{found.places:,}"),
        ("legal states, over all places", big(found.legal)),
        ("enumerated", f"{found.enumerated:,}"),
        ("distinct images", f"{found.distinct:,}"),
        ("recovered and checked", f"{result.checked:,}"),
        ("violating", f"{result.violating:,}"),
        ("states per second and core", f"{result.rate:.1f}"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return table


def notes(result: Exploration) -> list[str]:
    """What was left out, in words."""
    found = result.enumeration
    lines = []
    sampled = found.places - found.exact_places
    if result.left_out:
        lines.append(
            f"syncs left out: {result.left_out:,}; only states were enumerated in which "
            "something is lost that they had protected"
        )
    elif sampled:
        lines.append(
            f"at {found.exact_places:,} of {found.places:,} places every legal state was "
            f"enumerated; at the other {sampled:,} there are too many: all kept and lost, "
            "prefixes, each operation alone lost, kept and torn, and a few at random"
        )
    else:
        lines.append("every legal state of every place was enumerated")
    if not result.is_complete:
        why = "interrupted" if result.is_interrupted else "the budget was used up"
        left = found.distinct - result.checked
        lines.append(f"{left:,} distinct images were not checked: {why}")
    return lines


def cause_in_words(cause: Cause) -> str:
    """`lost: write of pg_control ..., by the checkpointer at step 17, engine/...`."""
    operation = cause.operation
    fate: str = cause.fate
    if fate == "torn":
        fate = f"torn ({cause.mask.bit_count()} of {cause.atoms} pieces kept)"
    return (
        f"{fate}: {in_words(operation)}, by the {operation.role} at step {operation.step}, "
        f"operation {operation.number}, {operation.site}"
    )


def lines_about(number: int, group: Group, result: Exploration) -> list[str]:
    """One group of violations."""
    states = "state" if group.count == 1 else "states"
    recorded, place = result.recorded, group.state.place
    violation = f"{group.violation.check}: {group.violation.message}"
    where = f"a crash before operation {place} of {len(recorded.operations)}"
    lines = [
        f"violation {number} ({group.count:,} {states}): {violation}",
        f"    {where}, during: {recorded.phase_at(place)}",
    ]
    if group.minimal is None:
        lines.append("    not made small")
    elif not group.minimal.causes:
        lines.append("    nothing need be lost: a kill is enough")
    else:
        causes = group.minimal.causes
        if causes[0].fate == "kept":
            lines.append("    enough is that all that is not synced is lost, but")
        lines += [f"    {cause_in_words(cause)}" for cause in causes[:SHOWN]]
        if len(causes) > SHOWN:
            lines.append(f"    and {len(causes) - SHOWN} more")
    if group.bundle is not None:
        lines.append(f"    bundle: {group.bundle}")
    return lines


def show_recoveries(console: Console, result: Recoveries) -> None:
    """Of the second crashes."""
    console.print(
        f"crashed again in the recoveries of {result.images:,} images (a sample): "
        f"{result.operations:,} operations, {big(result.legal)} legal states, "
        f"{result.enumerated:,} enumerated, {result.distinct:,} distinct, "
        f"{result.checked:,} checked (a sample), {result.violating:,} violating",
        highlight=False,
    )
    for number, group in enumerate(result.groups, 1):
        violation = group.violation
        first = f"of the recovery from a crash before operation {group.outer.place}"
        lines = [
            f"second crash {number} ({group.count:,}): {violation.check}: {violation.message}",
            f"    before operation {group.place} of {group.of} {first}",
        ]
        lines += [f"    {cause_in_words(cause)}" for cause in group.minimal.causes[:SHOWN]]
        for line in lines:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
