"""The sentences of a report, from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from chaos.faults.catalogue import PLACE, POWER_LOSS
from chaos.faults.disk.licence import LABELS
from chaos.faults.places import SELF, STOP, parse_fault
from chaos.faults.reach import (
    AGAIN,
    CRASH,
    FILLING,
    HOLDING,
    INTERLOCK,
    LOAD,
    SHUTDOWN,
    START,
    TRUNCATING,
)
from chaos.losses import FATES

if TYPE_CHECKING:
    from chaos.faults.striking import Strike
    from chaos.outcome import CycleReport
    from chaos.plan import Plan

BEFORE = {
    LOAD: "",
    FILLING: "much WAL, ",
    TRUNCATING: "a VACUUM that waits, ",
    HOLDING: "bgwriter stopped as it wrote, ",
    INTERLOCK: "killed postmaster, a child kept alive, ",
    AGAIN: "killed logger, then ",
    CRASH: "killed backend, then ",
    START: "killed all, then ",
    SHUTDOWN: "shut down, then ",
}
"""What made somebody come to a place."""
TIMES = {1: "", 2: " twice", 3: " three times"}


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(number: int) -> str:
    """A number of bytes for people."""
    if number < 1000:
        return f"{number} B"
    if number < 1_000_000:
        return f"{number / 1000:.0f} kB"
    return f"{number / 1_000_000:.1f} MB"


def seconds(value: float | None) -> str:
    """A duration for people."""
    return "-" if value is None else f"{value:.3f} s" if value < 10 else f"{value:.1f} s"


def plan_line(plan: Plan) -> str:
    """What a run is going to be."""
    settings = ", ".join(f"{name} {value}" for name, value in sorted(plan.settings.items()))
    return (
        f"seed {plan.seed}: {plan.workload} with {counted(plan.clients, 'client')} on {plan.target}"
        f" ({settings}, {plan.wal_segment_mb} MB segments)"
    )


def deed(report: CycleReport) -> str:
    """What was done in a cycle."""
    strike = report.strike
    if strike is None:
        return f"{report.fault} was not reached"
    if report.fault == PLACE:
        return deed_at_place(report, strike)
    if report.fault == POWER_LOSS:
        return outage(report, strike)
    if report.fault in LABELS:
        return failure(report, strike)
    stopped = report.fault.startswith("stop:")
    if not strike.struck and not strike.kills:
        return f"{report.fault} did not strike ({strike.missed})"
    if stopped and not strike.kills:
        return f"stopped {report.fault.removeprefix('stop:')} for a while"
    parts = [f"{role}{TIMES.get(n, f' {n} times')}" for role, n in strike.kills.items()]
    text = "killed " + ", then ".join(parts)
    if stopped:
        text += ", then stopped startup" if strike.struck else ", but startup was not caught"
    elif report.fault == "startup" and not strike.struck:
        text += ", but startup was not caught"
    return text


def deed_at_place(report: CycleReport, strike: Strike) -> str:
    """`killed all, then killed at startup redo-finished`."""
    placed = parse_fault(report.placed)
    first = BEFORE[report.occasion]
    if strike.missed:
        return f"{first}nobody came to {placed.place}"
    action = placed.action
    names = [placed.place.role if name == SELF else name for name in action.who]
    who = "" if action.who == (SELF,) else " " + " and ".join(names)
    return f"{first}{'stopped' if action.kind == STOP else 'killed'}{who} at {placed.place}"


def failure(report: CycleReport, strike: Strike) -> str:
    """`fsync-fails: eio at checkpointer fsync of base/5/16384`."""
    disk = strike.disk
    if not disk:
        return f"{report.fault} did not strike ({strike.missed})"
    if disk["error"] in ("rot", "misdirect"):
        became = "noticed" if disk["noticed"] else "not noticed" if disk["is_there"] else "healed"
        if disk["error"] == "rot":
            told = f"bit {disk['bit']} of block {disk['block']} of {disk['file']}: {became}"
        else:
            told = f"block {disk['intended']} over {disk['block']} of {disk['file']}: {became}"
    elif disk["error"] == "quota":
        told = f"{size(disk['size'])} were left"
    else:
        told = f"{disk['error']} at {disk['role']} {disk['call']}"
        told += f" of {disk['file']}" if disk["file"] else ""
    return f"{report.fault}: {told}" + (", then power lost" if strike.power else "")


def outage(report: CycleReport, strike: Strike) -> str:
    """`killed backend, then power lost at startup fsync 2 and again (4 lost, 1 torn, 7 kept)`."""
    text = f"{BEFORE[report.occasion] if report.placed else ''}power lost"
    if strike.missed:
        text += f" ({strike.missed})"
    elif report.placed:
        text += f" at {parse_fault(report.placed).place}"
    for loss in strike.power:
        text += " and again" if loss is not strike.power[0] else ""
        told = ", ".join(f"{loss[name]} {name}" for name in FATES if loss[name])
        text += f" ({told or 'all was durable'})"
    return text


def cycle_line(report: CycleReport, cycles: int) -> str:
    """What was killed where, how long recovery took, how much it replayed, what clients saw."""
    width = len(str(cycles))
    where = "" if report.placed else f" {report.where}"
    parts = [f"{deed(report)}{where}"]
    if report.stop is not None and report.stop.struck:
        parts[0] += f", {report.stop.name.removeprefix('stop:')} stopped before"
    reaction = report.reaction
    strike = report.strike
    if reaction is not None and strike is not None and (strike.kills or reaction.replay):
        parts.append(f"back in {seconds(reaction.recovery_s)}")
        replay = reaction.replay
        if replay is not None and replay.records is not None:
            parts.append(
                f"replayed {counted(replay.records, 'record')} ({size(replay.bytes or 0)})"
            )
        elif replay is not None:
            parts.append(f"replayed {size(replay.bytes or 0)}")
    ended = report.ended
    parts.append(f"{ended['ok']} ok, {ended['fail']} failed, {ended['info']} unknown")
    return f"  {report.number:>{width}}/{cycles}  " + " | ".join(parts)


def kills_text(kills: Mapping[str, int]) -> str:
    """`backend 3, walwriter 1`."""
    return ", ".join(f"{role} {n}" for role, n in kills.items()) or "none"


def recovery_text(recoveries: list[float]) -> str:
    """Median, and worst after `..`."""
    if not recoveries:
        return "-"
    return f"{median(recoveries):.2f}..{max(recoveries):.2f}"


def verdict_line(result: Mapping[str, Any]) -> str:
    """How one run ended, in a line."""
    operations = result["operations"]
    line = (
        f"seed {result['seed']}: {result['verdict'].replace('_', ' ')},"
        f" {counted(result['cycles'], 'cycle')},"
        f" {result['acknowledged']} transactions acknowledged, {operations['info']} unknown,"
        f" {counted(result['replayed_records'], 'record')} replayed, {result['seconds']:.1f} s"
    )
    if result["lost"]:
        line += f", {lost_text(result['lost'])}"
    if any(not loss["in_contract"] for loss in result["power_losses"]):
        line += f", OUT OF CONTRACT: profile {result['profile']}"
    return line + (f" ({result['reason']})" if result["reason"] else "")


def lost_text(lost: Sequence[Mapping[str, Any]]) -> str:
    """`lost 3 of them in 2 crashes (the oldest acknowledged 12.1 ms before)`."""
    number = sum(one["transactions"] for one in lost)
    oldest = max(one["oldest_ms"] for one in lost)
    when = f"{oldest:.1f} ms before" if oldest > 0 else "after it was planned"
    crashes = "a crash" if len(lost) == 1 else f"{len(lost)} crashes"
    return f"lost {number} of them in {crashes} (the oldest acknowledged {when})"
