"""Faults: as steps of a program, as faults by place, as plans of `chaos run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hypothesis import strategies as st

from chaos.faults.places import PlacedFault, parse_fault
from chaos.plan import Plan, Wishes, make_plan
from properties.models.snapshot_isolation import BACKEND_OF, IN_CHECKPOINT, IN_RECOVERY
from properties.models.steps import (
    SESSIONS,
    Checkpoint,
    Kept,
    Kill,
    Mode,
    PowerLoss,
    Restart,
    Strike,
)

CHILDREN: Final = ("checkpointer", "bgwriter", "walwriter", "logger")
KILLED: Final = (*(f"{BACKEND_OF}{name}" for name in SESSIONS), *CHILDREN, "postmaster", "all")
CAUSING_RECOVERY: Final = ("all", "postmaster", "checkpointer")
PLACES: Final = (
    *(f"backend {call}" for call in ("pwrite", "fsync", "send", "receive", "wait", "open")),
    *(f"checkpointer {call}" for call in ("pwrite", "fsync", "rename", "fsync_directory")),
    *(f"startup {call}" for call in ("open", "pread", "pwrite", "fsync")),
    *("bgwriter pwrite", "walwriter pwrite", "walwriter fsync", "postmaster fork"),
)
ACTIONS: Final = ("kill", "kill all", "kill postmaster", "stop 200ms")

keeps: Final = st.sampled_from(tuple(Kept))


@st.composite
def strikes(draw: st.DrawFn, points: Sequence[str]) -> Strike:
    """Somebody dies at one of these points; or everybody, and perhaps the power goes."""
    everybody = draw(st.booleans())
    power = draw(st.none() | keeps) if everybody else None
    return Strike(draw(st.sampled_from(points)), everybody, power)


def kills() -> st.SearchStrategy[Kill]:
    """Somebody is killed; now and then the recovery is killed too."""
    return st.builds(Kill, st.sampled_from(KILLED)) | st.builds(
        Kill, st.sampled_from(CAUSING_RECOVERY), st.sampled_from(IN_RECOVERY)
    )


def misfortunes() -> st.SearchStrategy[Kill | PowerLoss | Restart | Checkpoint]:
    """What ends sessions."""
    return (
        kills()
        | st.builds(PowerLoss, keeps)
        | st.builds(Restart, st.sampled_from(tuple(Mode)))
        | st.builds(Checkpoint, strikes(IN_CHECKPOINT))
    )


@st.composite
def placed_faults(draw: st.DrawFn) -> PlacedFault:
    """A fault by place (chaos/faults/places.py): the n-th time that a role makes a call."""
    place = draw(st.sampled_from(PLACES))
    return parse_fault(f"{place} {draw(st.integers(1, 50))}: {draw(st.sampled_from(ACTIONS))}")


@st.composite
def plans(draw: st.DrawFn, wishes: Wishes | None = None) -> Plan:
    """Plans of `chaos run`, as seeds draw them; smaller ones have fewer cycles."""
    plan = make_plan(draw(st.integers(0, 2**16)), wishes or Wishes())
    kept = draw(st.lists(st.booleans(), min_size=len(plan.cycles), max_size=len(plan.cycles)))
    cycles = tuple(cycle for cycle, is_kept in zip(plan.cycles, kept, strict=True) if is_kept)
    return replace(plan, cycles=cycles or plan.cycles[:1])
