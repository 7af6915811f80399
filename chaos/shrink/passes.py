"""The passes, in the order in which they are made, each with its reason.

First come those that make all later runs cheaper (a run with one cycle takes a tenth of the time of
one with ten), then those that make the run easier to understand, last the numbers, where each gain
is small. A pass that fails leaves the best plan as it was; all are made again until none gains
anything, since one may open the way for another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from chaos.faults.catalogue import DISK, POWER_LOSS
from chaos.faults.places import SELF, PlacedFault, PlaceError, parse_fault
from chaos.faults.reach import LOAD
from chaos.plan import NOTHING_KEPT, Fault, Where
from chaos.shrink.edits import Object, Path, edited, value_at, with_cycles
from chaos.workloads.catalogue import MIXED, parts_of

PRECISION: Final = 10
"""A number is found to a tenth of itself: what differs by less looks the same to a reader."""
RANDOM_WALK: Final = "random-walk"
LONGEST_RUN: Final = 4000
"""Steps between two preemptions, on average, from which on they hardly matter."""


class Search(Protocol):
    """What a pass works on."""

    best: Object

    @property
    def cycles_reached(self) -> int:
        """How many cycles of the best plan were begun."""

    def attempt(self, candidate: Object) -> bool:
        """Run the candidate: when it fails for the same reason, it is the best from now on."""


class Pass(NamedTuple):
    """One way of making a plan smaller."""

    name: str
    why: str
    run: Callable[[Search], None]


# how ---------------------------------------------------------------------------------------------


def remove_parts(
    search: Search,
    parts: Sequence[Any],
    put: Callable[[Sequence[Any]], Object],
    least: int = 0,
) -> None:
    """Leave out as much of a list as can be: all, halves, quarters, single ones, from the front."""
    kept = list(parts)
    size = len(kept)
    while size:
        at = 0
        while at < len(kept):
            left = kept[:at] + kept[at + size :]
            if len(left) >= least and search.attempt(put(left)):
                kept = left
            else:
                at += size
        size //= 2


def lower(search: Search, path: Path, least: int = 0) -> None:
    """Make a number as small as can be: the least at once, or else by binary search."""
    found = value_at(search.best, path)
    if isinstance(found, bool) or not isinstance(found, int) or found <= least:
        return
    _halve(least, found, lambda value: search.attempt(edited(search.best, (path, value))))


def _halve(fails: int, works: int, attempt: Callable[[int], bool]) -> None:
    """Binary search between a number that is as small as can be and one that is known to work."""
    if attempt(fails):
        return
    while works - fails > max(1, works // PRECISION):
        middle = (fails + works) // 2
        if attempt(middle):
            works = middle
        else:
            fails = middle


def put_default(search: Search, path: Path, default: Any) -> None:
    """Try the usual value in place of another one."""
    if value_at(search.best, path) not in (default, None):
        search.attempt(edited(search.best, (path, default)))


def _each_cycle(search: Search) -> Iterator[list[str | int]]:
    """The paths of the cycles."""
    for at in range(len(search.best["cycles"])):
        yield ["cycles", at]


def _each_fault(search: Search) -> Iterator[list[str | int]]:
    """The paths of all faults that are struck by hand or at a place, the stops before them too."""
    for cycle in _each_cycle(search):
        for name in ("stop", "fault"):
            if value_at(search.best, [*cycle, name]):
                yield [*cycle, name]


# what --------------------------------------------------------------------------------------------


def drop_cycles(search: Search) -> None:
    """Those that the run never came to, then all but the last, then whichever can go."""
    reached = search.best["cycles"][: search.cycles_reached]
    if len(reached) < len(search.best["cycles"]):
        search.attempt(with_cycles(search.best, reached))
    cycles = search.best["cycles"]
    if len(cycles) > 1:
        search.attempt(with_cycles(search.best, cycles[-1:]))
    remove_parts(
        search, search.best["cycles"], lambda left: with_cycles(search.best, left), least=1
    )


def fewer_clients(search: Search) -> None:
    """One client would be best."""
    lower(search, ["clients"], least=1)


def fewer_operations(search: Search) -> None:
    """No load after the recovery, none at the end, and less before the fault."""
    put_default(search, ["liveness_operations"], 0)
    for cycle in _each_cycle(search):
        put_default(search, [*cycle, "settle"], 0)
        lower(search, [*cycle, "fault", "where", "count"], least=1)


def fewer_settings(search: Search) -> None:
    """The target's own defaults."""
    settings = list(search.best["settings"].items())
    remove_parts(search, settings, lambda left: edited(search.best, (["settings"], dict(left))))
    put_default(search, ["wal_segment_mb"], 1)


def fewer_disturbances(search: Search) -> None:
    """No stops, no checkpoints, nothing at places beside the fault."""
    for cycle in _each_cycle(search):
        for name in ("stop", "checkpoint_us"):
            if value_at(search.best, [*cycle, name]) is not None:
                search.attempt(edited(search.best, ([*cycle, name], None)))
        path = [*cycle, "disturbances"]
        remove_parts(
            search,
            value_at(search.best, path) or [],
            lambda left, path=path: edited(search.best, (path, list(left))),  # type: ignore[misc]
        )


def simpler_faults(search: Search) -> None:
    """Everything dies at once, or one backend dies; then nothing special about the fault; and it
    comes after a number of operations, since a time means nothing to a reader.
    """
    for path in _each_fault(search):
        fault = value_at(search.best, path)
        for name in _simpler_names(fault):
            if search.attempt(edited(search.best, (path, _plain(name, fault["where"])))):
                break
        for field, default in _plain("", fault["where"]).items():
            if field not in ("name", "where", "hunts", "placed", "occasion", "then", "kept"):
                put_default(search, [*path, field], default)
        hunts = value_at(search.best, [*path, "hunts"]) or []
        remove_parts(
            search,
            hunts,
            lambda left, path=path: edited(  # type: ignore[misc]
                search.best, ([*path, "hunts"], list(left))
            ),
            least=1 if value_at(search.best, [*path, "name"]).endswith("startup") else 0,
        )
        _plainer_outage(search, path)
        _simpler_place(search, [*path, "placed"])
        if value_at(search.best, [*path, "where", "counter"]) == "time_ms":
            for count in (1, 4, 16, 64):
                where = {"counter": "started", "count": count, "delay_us": 0}
                if search.attempt(edited(search.best, ([*path, "where"], where))):
                    break


def _plainer_outage(search: Search, path: Path) -> None:
    """The power goes once, and all that was not durable is lost."""
    if value_at(search.best, [*path, "name"]) != POWER_LOSS:
        return
    again = value_at(search.best, [*path, "then"]) or []
    remove_parts(search, again, lambda left: edited(search.best, ([*path, "then"], list(left))))
    put_default(search, [*path, "kept"], NOTHING_KEPT)


def _simpler_place(search: Search, path: Path) -> None:
    """Whoever is at the place dies alone, and under load: then no other fault comes first."""
    fault = _placed_at(search, path)
    if fault is None:
        return
    is_of_the_disk = value_at(search.best, [*path[:-1], "name"]) in DISK  # all die at one moment
    if fault.action.who not in ((), (SELF,)) and not is_of_the_disk:
        alone = replace(fault, action=replace(fault.action, who=(SELF,)))
        search.attempt(edited(search.best, (path, str(alone))))
    put_default(search, [*path[:-1], "occasion"], LOAD)


def _simpler_names(fault: Object) -> Sequence[str]:
    """In order of simplicity. With some luck one backend's death will do for that at an injection
    point, but nothing says as well as that where the trouble is.
    """
    name = fault["name"]
    if name.startswith("stop:"):
        return ()
    names = ("all", "backend")
    if name in names:
        return names[: names.index(name)]
    try:
        return names[:1] if parse_fault(fault["placed"]).place.is_point else names
    except PlaceError:
        return names


def _plain(name: str, where: Any) -> Object:
    """A fault with nothing special about it."""
    return edited(
        {field: getattr(Fault(name, Where("started", 1)), field) for field in Fault.__slots__},
        (["where"], where),
        (["hunts"], []),
    )


def fewer_preemptions(search: Search) -> None:
    """None at all, or few of them; a random walk; long runs."""
    scheduling = ["scheduling"]
    if value_at(search.best, scheduling) is None:
        return
    none = {"strategy": RANDOM_WALK, "preemptions": 0, "mean_run": LONGEST_RUN}
    if search.best["scheduling"] != none and search.attempt(
        edited(search.best, (scheduling, none))
    ):
        return
    put_default(search, ["scheduling", "strategy"], RANDOM_WALK)
    bound = value_at(search.best, ["scheduling", "preemptions"])
    if bound is None:
        bound = _first_bound(search)
    if bound:
        lower(search, ["scheduling", "preemptions"])
    mean_run = value_at(search.best, ["scheduling", "mean_run"])
    while mean_run < LONGEST_RUN:
        mean_run = min(2 * mean_run, LONGEST_RUN)
        if not search.attempt(edited(search.best, (["scheduling", "mean_run"], mean_run))):
            break


def _first_bound(search: Search) -> int | None:
    """A number of preemptions with which it still fails: 1, 4, 16, ..."""
    bound = 1
    while bound <= 4**6:
        if search.attempt(edited(search.best, (["scheduling", "preemptions"], bound))):
            return bound
        bound *= 4
    return None


def plainer_workload(search: Search) -> None:
    """One workload instead of several, fewer kinds of operations, less of everything."""
    if search.best["workload"] == MIXED:
        for workload in parts_of(search.best["mix"]):
            if search.attempt(edited(search.best, (["workload"], workload))):
                break
    used = search.best["workload"]
    mixes = {name: mix for name, mix in search.best["mix"].items() if used in (name, MIXED)}
    if mixes != search.best["mix"]:
        search.attempt(edited(search.best, (["mix"], mixes)))
    search.attempt(edited(search.best, (["mix"], _without_shares(search.best["mix"]))))
    for name in search.best["mix"]:
        for field, value in list(search.best["mix"][name].items()):
            if isinstance(value, float):
                put_default(search, ["mix", name, field], 0.0)
            else:
                lower(
                    search, ["mix", name, field], least=0 if field in ("padding", "filler") else 1
                )


def _without_shares(mixes: Object) -> Object:
    """All that happens only to a share of the operations happens to none."""
    return {
        name: {field: 0.0 if isinstance(value, float) else value for field, value in mix.items()}
        for name, mix in mixes.items()
    }


def smaller_numbers(search: Search) -> None:
    """What is left: counts and delays of faults, the choice among victims."""
    for path in _each_fault(search):
        put_default(search, [*path, "victim"], 0)
        lower(search, [*path, "where", "delay_us"])
        lower(search, [*path, "where", "count"], least=1)
        lower(search, [*path, "hold_ms"], least=1)
        for at in range(len(value_at(search.best, [*path, "hunts"]) or [])):
            lower(search, [*path, "hunts", at, "delay_us"])
        _lower_place(search, [*path, "placed"])
    for cycle in _each_cycle(search):
        lower(search, [*cycle, "settle"])
        lower(search, [*cycle, "checkpoint_us"])
        for at in range(len(value_at(search.best, [*cycle, "disturbances"]) or [])):
            _lower_place(search, [*cycle, "disturbances", at])
    lower(search, ["liveness_operations"])


def _lower_place(search: Search, path: Path) -> None:
    """An earlier time at the same place."""
    fault = _placed_at(search, path)
    if fault is not None and fault.place.count > 1:

        def attempt(count: int) -> bool:
            earlier = replace(fault, place=replace(fault.place, count=count))
            return search.attempt(edited(search.best, (path, str(earlier))))

        _halve(1, fault.place.count, attempt)


def _placed_at(search: Search, path: Path) -> PlacedFault | None:
    """The fault by place whose text is there."""
    try:
        return parse_fault(value_at(search.best, path) or "")
    except PlaceError:
        return None


PASSES: Final = (
    Pass("cycles", "each costs its time in every run that follows", drop_cycles),
    Pass("clients", "each is a process, and a line of events to follow", fewer_clients),
    Pass("operations", "what is not done need not be read, nor run", fewer_operations),
    Pass("settings", "one that differs from the default claims to matter", fewer_settings),
    Pass("disturbances", "stops and checkpoints claim to matter too", fewer_disturbances),
    Pass("faults", "a plain crash is easier to reason about than a hunt", simpler_faults),
    Pass("preemptions", "a switch that nobody asked for is hard to see", fewer_preemptions),
    Pass("workload", "fewer kinds of operations, and plain ones", plainer_workload),
    Pass("numbers", "small ones are easy to compare; each gains little, so last", smaller_numbers),
)
