"""A plan as tables of a scenario, and back: how a run that a seed drew becomes one that a person
can read and change, and how a shrunk one is written.

What is common to all scenarios (seed, target, schedule, settings, segment size, bound) stands at
the top of the file; `[workload]` has what is left of the plan, and `[[cycle]]` its cycles. A key is
the name of the field. A field with its usual value is left out; the mix of operations is drawn from
the seed where it is not given.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from chaos.disk.profiles import PROFILES
from chaos.faults.catalogue import DISK
from chaos.faults.places import PlaceError, parse_fault
from chaos.plan import BATON, DEFAULT_PROFILE, STREAMS, Cycle, Plan, Scheduling
from chaos.seeds import child_seed
from chaos.workloads.catalogue import WORKLOADS, draw_mix

T = TypeVar("T")

SHARED: Final = ("seed", "target", "schedule", "settings", "wal_segment_mb", "bound_s")
USUAL_SCHEDULING: Final = Scheduling("random-walk", mean_run=200)
RENAMED: Final = {"workload": "name"}
"""In [workload], the plan's workload is its name."""


class PlanError(ValueError):
    """The tables are no plan: which key, and what is allowed."""


# reading -----------------------------------------------------------------------------------------


def read_plan(
    shared: Mapping[str, Any], workload: Any, cycles: Sequence[Any], seeds: Any = None
) -> Plan:
    """The plan; PlanError. `seeds`: those that are not the usual ones of the seed."""
    if not isinstance(workload, dict):
        raise PlanError("[workload]: must be a table")
    given = {RENAMED.get(name, name): name for name in _names(Plan)}
    unknown = sorted(
        workload.keys() - given.keys() | workload.keys() & {*SHARED, "cycles", "seeds"}
    )
    allowed = [key for key, name in given.items() if name not in (*SHARED, "cycles", "seeds")]
    if unknown:
        raise PlanError(f"[workload]: {', '.join(unknown)}: not known here; there are "
                        f"{', '.join(allowed)}")  # fmt: skip
    found: dict[str, Any] = {given[key]: value for key, value in workload.items()}
    if "mix" not in found:
        found["mix"] = draw_mix(shared["seed"])
    if found.get("workload") not in WORKLOADS:
        names = ", ".join(sorted(WORKLOADS))
        raise PlanError(f"[workload]: name: {found.get('workload')!r} must be one of {names}")
    found |= {name: shared[name] for name in SHARED}
    found["bound_s"] = float(found["bound_s"])
    found["seeds"] = usual_seeds(shared["seed"]) | _table(seeds or {}, "[seeds]")
    found["cycles"] = [
        {"number": number, **_table(cycle, f"[[cycle]] {number}")}
        for number, cycle in enumerate(cycles, 1)
    ]
    plan = _read(Plan, found, "[workload]")
    if plan.schedule == BATON and plan.scheduling is None:
        plan = replace(plan, scheduling=USUAL_SCHEDULING)
    if plan.profile is None and any(cycle.fault.name in DISK for cycle in plan.cycles):
        plan = replace(plan, profile=DEFAULT_PROFILE)
    if plan.profile is not None and plan.profile not in PROFILES:
        raise PlanError(
            f"[workload]: profile: {plan.profile!r} must be one of {', '.join(PROFILES)}"
        )
    _check_places(plan)
    return plan


def _check_places(plan: Plan) -> None:
    """Faults by place are texts in a plan; here a person may have written them."""
    for number, cycle in enumerate(plan.cycles, 1):
        fault = cycle.fault
        for text in filter(None, (fault.placed, *fault.then, *cycle.disturbances)):
            try:
                parse_fault(text)
            except PlaceError as error:
                raise PlanError(f"[[cycle]] {number}: {error}") from error


def usual_seeds(seed: int) -> dict[str, int]:
    """The seeds of all streams, as a plan draws them."""
    return {name: child_seed(seed, name) for name in STREAMS}


def _table(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise PlanError(f"{where}: must be a table")
    return found


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _read(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """A dataclass from a table with the names of its fields."""
    known = _names(kind)
    unknown = sorted(table.keys() - set(known))
    if unknown:
        raise PlanError(f"{where}: {', '.join(unknown)}: not known here; there are "
                        f"{', '.join(known)}")  # fmt: skip
    hints = typing.get_type_hints(kind)
    found = {}
    for field in fields(typing.cast(Any, kind)):
        if field.name in table:
            found[field.name] = _value(
                hints[field.name], table[field.name], f"{where}: {field.name}"
            )
        elif _usual(field) is MISSING:
            if type(None) not in typing.get_args(hints[field.name]):
                raise PlanError(f"{where}: {field.name}: is missing")
            found[field.name] = None
    return kind(**found)


def _value(hint: Any, value: Any, where: str) -> Any:
    """A value of this type from what TOML has."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return None if value is None else _value(inner, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise PlanError(f"{where}: must be a list")
        return tuple(
            _value(
                arguments[0], item, f"[[cycle]] {at}" if arguments[0] is Cycle else f"{where} {at}"
            )
            for at, item in enumerate(value, 1)
        )
    if origin is dict:
        return _table(value, where)
    if is_dataclass(hint):
        return _read(typing.cast(Any, hint), _table(value, where), where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or isinstance(value, bool) != (hint is bool):
        raise PlanError(f"{where}: {value!r} must be of the kind {hint.__name__}")
    return value


def _usual(field: Field[Any]) -> Any:
    """The value that a field has when nothing is said about it; MISSING if it must be said."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


# writing -----------------------------------------------------------------------------------------


def plan_tables(plan: Plan) -> dict[str, Any]:
    """The top of the file, `workload`, `cycle`, and of the `seeds` those that are not usual."""
    written = _write(plan)
    top: dict[str, Any] = {name: written.get(name, getattr(plan, name)) for name in SHARED}
    if plan.bound_s == int(plan.bound_s):
        top["bound_s"] = int(plan.bound_s)
    top["targets"] = [top.pop("target")]
    workload = {
        RENAMED.get(name, name): value
        for name, value in written.items()
        if name not in (*SHARED, "cycles", "seeds")
    }
    tables = top | {"workload": dict(sorted(workload.items(), key=lambda item: item[0] != "name"))}
    tables["cycle"] = [
        {name: value for name, value in cycle.items() if name != "number" or value != number}
        for number, cycle in enumerate(written.get("cycles", []), 1)
    ]
    usual = usual_seeds(plan.seed)
    unusual = {name: seed for name, seed in plan.seeds.items() if usual.get(name) != seed}
    return tables | ({"seeds": unusual} if unusual else {})


def _write(value: Any) -> Any:
    """As TOML has it; fields with their usual value are left out, and so is None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _write(found)
            for field in fields(value)
            if (found := getattr(value, field.name)) is not None and found != _usual(field)
        }
    if isinstance(value, tuple | list):
        return [_write(item) for item in value]
    if isinstance(value, dict):
        return {name: _write(item) for name, item in value.items()}
    return value
