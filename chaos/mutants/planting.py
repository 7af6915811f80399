"""Planted bugs, seen from here: by name, as what exposes them, and whether they were caught.

What a mutant is, and which there are, is told by a registry that is named by a module, since the
bugs are of one target and nobody here knows it. A run with a mutant is a run like any other, but
for the patch that is done to the target before it serves.

PLANT-1  Caught means: violated, and by one of the violations that name the cause rightly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final, Protocol, cast

from chaos.oracle import UnknownName, load
from chaos.plan import Wishes
from chaos.verdict import Verdict

REGISTRY: Final = "properties.mutants.registry"
APPLY: Final = "properties.mutants.applying:apply"
MOST_MEANT: Final = 3
"""Names told to somebody whose name is none."""


class Mutant(Protocol):
    """What the registry tells of one: see properties/mutants/api.py."""

    name: str
    breaks: str
    mirrors: str
    sees: tuple[str, ...]
    faults: tuple[str, ...] | None
    settings: Mapping[str, str]
    profile: str | None
    workload: str | None


def mutant_names() -> list[str]:
    """All of them, sorted."""
    return cast("list[str]", load(f"{REGISTRY}:names")())


def find_mutant(name: str) -> Mutant:
    """UnknownName when there is none, with a few that may be meant."""
    if name not in (names := mutant_names()):
        begun = [other for other in names if name and other.startswith(name)]
        within = [other for other in names if name and name in other]
        like = get_close_matches(name, names, MOST_MEANT)
        near = list(dict.fromkeys((*begun, *like, *within)))[:MOST_MEANT]
        meant = f": did you mean {' or '.join(near)}?" if near else ";"
        raise UnknownName(f"there is no mutant {name!r}{meant} `chaos mutants` lists them")
    return cast(Mutant, load(f"{REGISTRY}:mutant")(name))


def harness_mutant_names() -> list[str]:
    """The harness's own, sorted."""
    return sorted(one.name for one in load(f"{REGISTRY}:harness_mutants")())


def apply_to_harness(name: str) -> None:
    """Plant one of them in this process."""
    load(f"{REGISTRY}:apply_to_harness")(name)


def patches_for(name: str) -> tuple[str, ...]:
    """For `patches` of the target."""
    return (f"{APPLY} {name}",)


def planted(wishes: Wishes) -> Wishes:
    """With what exposes the mutant, where nothing else is wished for. UnknownName."""
    if wishes.mutant is None:
        return wishes
    mutant = find_mutant(wishes.mutant)
    return replace(
        wishes,
        faults=wishes.faults or mutant.faults,
        settings={**mutant.settings, **(wishes.settings or {})} or None,
        profile=wishes.profile or mutant.profile,
        workload=wishes.workload or mutant.workload,
    )


def as_asked(wishes: Wishes) -> Wishes:
    """Wishes that `planted` makes these of: shorter, for a command line."""
    if wishes.mutant is None:
        return wishes
    mutant = find_mutant(wishes.mutant)
    own = {name: text for name, text in (wishes.settings or {}).items()
           if mutant.settings.get(name) != text}  # fmt: skip
    faults = tuple(wishes.faults) if wishes.faults is not None else None
    return replace(
        wishes,
        faults=wishes.faults if faults != mutant.faults else None,
        settings=own or None,
        profile=wishes.profile if wishes.profile != mutant.profile else None,
        workload=wishes.workload if wishes.workload != mutant.workload else None,
    )


def names_of(violations: Sequence[Mapping[str, Any]]) -> list[str]:
    """`checker: kind` of the violations of a result, in order, each once."""
    return list(dict.fromkeys(f"{one['check']}: {one.get('kind', '')}" for one in violations))


def judge(result: Mapping[str, Any], mutant: Mutant) -> dict[str, Any]:
    """PLANT-1: what a run's result says of its mutant."""
    seen = names_of(result["violations"])
    rightly = [pair for pair in seen if {pair, pair.partition(":")[0]} & {*mutant.sees}]
    is_caught = result["verdict"] == Verdict.VIOLATED and bool(rightly)
    return {"name": mutant.name, "caught": is_caught, "seen": seen, "sees": list(mutant.sees)}


def in_words(judged: Mapping[str, Any], verdict: str) -> str:
    """A line about it."""
    name, seen = judged["name"], ", ".join(judged["seen"])
    if judged["caught"]:
        return f"mutant {name}: caught by {seen}"
    if verdict == Verdict.VIOLATED:
        return f"mutant {name}: NOT CAUGHT: seen by {seen}, and none of them names the cause"
    return f"mutant {name}: not caught"
