"""A plan: everything that a seed decides, as data, before anything runs.

One seed has independent streams (chaos/seeds.py) for settings, clients, faults and workload, so a
plan with one setting pinned by `--set` still has the same faults. A seed also draws which faults
and settings are in play at all (swarm testing: Groce et al., ISSTA 2012), since some bugs show
only when something is absent.

Where a fault strikes is a count or a time from the beginning of its cycle:

    started n          when the n-th operation has begun
    commits n          when the n-th COMMIT has been sent
    statements n       when the n-th statement about rows has been sent
    acknowledged n     when the n-th transaction has been acknowledged
    time_ms n          after n milliseconds

and, beyond that, `delay_us` later. A backend that is struck at a COMMIT or a statement is the one
that got it.

Which processes run meanwhile is, under the schedule *free*, the machine's business: the same seed
gives the same plan, not the same run. Under the schedule *baton* that too is the seed's, and a
fault may strike at a *place*: the n-th time that a role makes a call of the host or comes to an
injection point. The same seed then gives the same run, step for step.

PLAN-1  The same seed and options give the same plan, on every machine.
PLAN-2  Drawing more or fewer of one thing changes nothing else in the plan.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from chaos.faults.catalogue import DISK, IN_THE_SWARM, KILLS, NEEDS_BATON, PLACE, POWER_LOSS, STOPS
from chaos.faults.disk.drawing import draw_disk_fault
from chaos.faults.drawing import draw_disturbances, draw_place, turn_of
from chaos.faults.power_places import draw_outage
from chaos.faults.reach import FILLING, HOLDING, INTERLOCK
from chaos.seeds import child_seed, stream
from chaos.workloads.catalogue import draw_mix, draw_workload, in_all_parts

FREE: Final = "free"
BATON: Final = "baton"
SCHEDULES: Final = (BATON, FREE)
DEFAULT_CYCLES: Final = {FREE: 10, BATON: 4}
STREAMS: Final = ("settings", "clients", "faults", "workload", "schedule")
DEFAULT_PROFILE: Final = "strict"
NOTHING_KEPT: Final = "nothing"
BREAKS_PROMISES: Final = ("fsync", "full_page_writes")
"""Settings that, switched off, promise nothing about a power loss: not drawn beside one."""
BACKENDS_IN_A_HAND: Final = 3
"""There are more places where a backend can die than for any other process."""
LONGEST_CHECKPOINT_US: Final = 40_000
LIVENESS_OPERATIONS: Final = 60
SHORTER: Final = 5
"""By this much is there less load before a fault and after it, under the baton."""
SHORTER_BEFORE_POWER_LOSS: Final = 2
"""There must be pages that were written since they were last synced."""
SHARE_PLACED: Final = 0.75
"""Of kills under the baton."""
SHARE_BUSY: Final = 0.8
"""Of settings that keep the disk busy, in a run with a disk fault."""
FILLERS: Final = (0, 200, 400, 800)
"""Bytes that make the workload's rows longer, in a run with a disk fault: so they are on many
pages.
"""
SHARE_COMPARED: Final = 0.5
"""Of seeds, in which recovery compares what it makes of each page with what that page was."""
SHARE_DISK: Final = 0.5
"""Of seeds, for each disk fault."""
FILLING_SETTINGS: Final = {
    "min_wal_size": "2MB",
    "max_wal_size": "1GB",
    "wal_buffers": "1MB",
    "shared_buffers": "512kB",
    "bgwriter_delay": "10ms",
}
"""Few segments, since otherwise a checkpoint has made or recycled each before it is needed; and
much WAL that waits to be written when the background writer comes round."""
BOUND_S: Final = 30.0
"""Within this the server must be back, and every operation must end."""


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a fault, counted from the beginning of its cycle."""

    counter: str
    count: int
    delay_us: int = 0

    def __str__(self) -> str:
        units = {
            "time_ms": "ms",
            "started": "operations",
            "commits": "commits sent",
            "statements": "statements sent",
        }
        shown = f"after {self.count} {units.get(self.counter, self.counter)}"
        return shown + (f" + {self.delay_us / 1000:.1f} ms" if self.delay_us else "")


@dataclass(frozen=True, slots=True)
class Hunt:
    """One attempt on a startup process: `delay_us` after it is seen, or after redo has begun."""

    moment: str
    delay_us: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, and where.

    `victim` chooses among several processes of the role. `freeze`: the machine stands still while
    the victim dies, and the data directory is copied as it is then. `hold_ms`: how long a stop
    lasts. `hunts` and `crash_by` are for the startup process: how to find it, and what makes it
    run. `interlock`: a child of a killed postmaster is kept alive, and a new start must be
    refused. `in_the_way`: rather a backend that holds a lock which readers wait for, if one can be
    found. `placed` is a place and what happens there (chaos/faults/places.py), `occasion` what
    makes somebody reach it (chaos/faults/reach.py). A power loss comes again at the places `then`,
    one in each of the recoveries that follow, and `choice` is the seed by which the disk decides
    what it keeps, unless `kept` says `nothing`. `disk` is what a disk does that has no place
    (chaos/faults/disk/drawing.py).
    """

    name: str
    where: Where
    placed: str = ""
    occasion: str = ""
    victim: int = 0
    freeze: bool = False
    hold_ms: int = 0
    hunts: tuple[Hunt, ...] = ()
    crash_by: str = ""
    interlock: bool = False
    in_the_way: bool = False
    then: tuple[str, ...] = ()
    choice: int = 0
    kept: str = ""
    disk: str = ""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Load, perhaps a stop, a fault, recovery, a little more load, an audit.

    With `checkpoint_us` the controller asks for a checkpoint so long before the fault.
    `disturbances` are placed faults beside it that nobody may notice.
    """

    number: int
    fault: Fault
    stop: Fault | None
    settle: int
    checkpoint_us: int | None = None
    disturbances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scheduling:
    """How the baton goes round: a strategy of chaos/scheduler/strategies.py, the mean number of
    steps between two preemptions, and at most how many of them (None: no limit).
    """

    strategy: str
    mean_run: int
    preemptions: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a seed decides. `profile` is the device's (chaos/disk/profiles.py), in a run with a
    disk fault: then there is a log of what is written. `mutant` is the bug that is planted in the
    target before it serves (chaos/mutants/planting.py).
    """

    seed: int
    target: str
    schedule: str
    workload: str
    clients: int
    settings: dict[str, str]
    wal_segment_mb: int
    mix: dict[str, dict[str, Any]]
    cycles: tuple[Cycle, ...]
    seeds: dict[str, int]
    liveness_operations: int = LIVENESS_OPERATIONS
    bound_s: float = BOUND_S
    scheduling: Scheduling | None = None
    profile: str | None = None
    mutant: str | None = None

    def to_object(self) -> dict[str, Any]:
        """As JSON values."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    @staticmethod
    def from_object(found: Mapping[str, Any]) -> Plan:
        """What `to_object` has given; ValueError when it is no plan."""
        try:
            scheduling = found.get("scheduling")
            parts = {
                "cycles": tuple(_cycle_from(cycle) for cycle in found["cycles"]),
                "scheduling": Scheduling(**scheduling) if scheduling is not None else None,
            }
            return Plan(**{**found, **parts})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a plan of this version: {error}") from error


def _cycle_from(found: Mapping[str, Any]) -> Cycle:
    parts = {
        "fault": _fault_from(found["fault"]),
        "stop": _fault_from(found["stop"]) if found["stop"] is not None else None,
        "disturbances": tuple(found.get("disturbances", ())),
    }
    return Cycle(**{**found, **parts})


def _fault_from(found: Mapping[str, Any]) -> Fault:
    parts = {
        "where": Where(**found["where"]),
        "hunts": tuple(Hunt(**hunt) for hunt in found.get("hunts", ())),
        "then": tuple(found.get("then", ())),
    }
    return Fault(**{**found, **parts})


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user fixed; None leaves it to the seed."""

    target: str = "engine"
    schedule: str | None = None
    cycles: int | None = None
    clients: int | None = None
    workload: str | None = None
    faults: Sequence[str] | None = None
    settings: Mapping[str, str] | None = None
    profile: str | None = None
    mutant: str | None = None


def default_schedule(target: str) -> str:
    """The baton, where the target can be had under it."""
    return BATON if target == "engine" else FREE


def make_plan(seed: int, wishes: Wishes) -> Plan:
    """PLAN-1, PLAN-2."""
    schedule = wishes.schedule or default_schedule(wishes.target)
    clients = wishes.clients or stream(seed, "clients").choice([2, 4, 6, 8, 8])
    settings, wal_segment_mb = draw_settings(seed, wishes.target, clients)
    pinned = dict(wishes.settings or {})
    cycles = draw_cycles(seed, wishes.cycles or DEFAULT_CYCLES[schedule], wishes.faults, schedule)
    mix = draw_mix(seed)
    has_disk_fault = any(cycle.fault.name in DISK for cycle in cycles)
    if has_disk_fault:
        settings = {name: text for name, text in settings.items() if name not in BREAKS_PROMISES}
        settings |= draw_busy_disk(seed, clients)
        filler = stream(seed, "workload", "filler").choice(FILLERS)
        mix = in_all_parts(mix, {"filler": filler})
    if any(cycle.fault.occasion in (FILLING, HOLDING) for cycle in cycles):
        wal_segment_mb = 1
        settings = {name: text for name, text in settings.items() if name != "fsync"}
        settings |= FILLING_SETTINGS
    return Plan(
        seed=seed,
        target=wishes.target,
        schedule=schedule,
        workload=wishes.workload or draw_workload(seed),
        clients=clients,
        settings=settings | pinned,
        wal_segment_mb=wal_segment_mb,
        mix=mix,
        liveness_operations=LIVENESS_OPERATIONS,
        cycles=cycles,
        seeds={name: child_seed(seed, name) for name in STREAMS},
        scheduling=draw_scheduling(stream(seed, "schedule", "strategy"), schedule),
        profile=(wishes.profile or DEFAULT_PROFILE) if has_disk_fault else None,
        mutant=wishes.mutant,
    )


def draw_scheduling(chance: random.Random, schedule: str) -> Scheduling | None:
    """A strategy and how often it switches: from nearly each step to hardly ever."""
    strategy = "pct" if chance.random() < 0.3 else "random-walk"
    mean_run = int(10 ** chance.uniform(1.0, 3.3))
    return Scheduling(strategy, mean_run) if schedule == BATON else None


# settings ----------------------------------------------------------------------------------------


def draw_settings(seed: int, target: str, clients: int) -> tuple[dict[str, str], int]:
    """Settings that make crashes interesting, each in play or not; and the size of WAL segments.

    Every value is drawn whether it is used or not, so one choice does not move the next; what is
    not always drawn from as many values has a stream of its own.
    """
    chance = stream(seed, "settings")
    segment = chance.choice([1, 1, 16])
    pages = stream(seed, "settings", "pages").choice(
        [pages for pages in (16, 32, 64, 256, 2048) if pages >= 4 * clients]
    )
    timeout = stream(seed, "settings", "timeout").choice(
        [30, 60] if target == "postgres" else [1, 2, 5, 30]
    )
    sizes = chance.choice([2, 3, 8])
    drawn = {
        "shared_buffers": f"{pages * 8}kB",
        "wal_buffers": chance.choice(["64kB", "256kB", "1MB"]),
        "checkpoint_timeout": f"{timeout}s",
        "max_wal_size": f"{sizes * segment}MB",
        "checkpoint_completion_target": chance.choice(["0", "0.5", "0.9"]),
        "bgwriter_delay": chance.choice(["10ms", "50ms"]),
        "wal_writer_delay": chance.choice(["1ms", "10ms", "50ms"]),
        "full_page_writes": chance.choice(["on", "off"]),
        "fsync": "off",
        "log_checkpoints": "off",
    }
    share = {"full_page_writes": 0.3, "fsync": 0.2}
    used = {name: text for name, text in drawn.items() if chance.random() < share.get(name, 0.6)}
    if "max_wal_size" in used:
        used["min_wal_size"] = f"{2 * segment}MB"
    used["deadlock_timeout"] = chance.choice(["20ms", "100ms", "300ms"])
    if stream(seed, "settings", "compared").random() < SHARE_COMPARED:
        used["wal_consistency_checking"] = "all"
    return used, segment


def draw_busy_disk(seed: int, clients: int) -> dict[str, str]:
    """Settings that let many pages be written that are not synced yet, in most runs."""
    chance = stream(seed, "settings", "disk")
    pages = stream(seed, "settings", "disk", "pages").choice(
        [pages for pages in (16, 32, 64) if pages >= 4 * clients]
    )
    drawn = {
        "shared_buffers": f"{pages * 8}kB",
        "bgwriter_delay": "10ms",
        "checkpoint_timeout": f"{chance.choice([1, 1, 2, 5])}s",
        "checkpoint_completion_target": chance.choice(["0", "0.9"]),
    }
    return {name: text for name, text in drawn.items() if chance.random() < SHARE_BUSY}


# faults ------------------------------------------------------------------------------------------


def draw_cycles(
    seed: int, count: int, only: Sequence[str] | None, schedule: str
) -> tuple[Cycle, ...]:
    """The cycles: their kinds dealt from a shuffled deck, so that each kind in play comes up."""
    kinds = tuple(only) if only else draw_swarm(seed)
    if schedule != BATON:
        kinds = tuple(kind for kind in kinds if kind not in NEEDS_BATON) or KILLS
    main = [kind for kind in kinds if kind not in STOPS] or list(kinds)
    stops = [kind for kind in kinds if kind in STOPS and kind != "stop:startup"]
    if "stop:startup" in kinds and "stop:startup" not in main:
        main.append("stop:startup")
    main += ["backend"] * (BACKENDS_IN_A_HAND - 1) if "backend" in main else []
    deck: list[str] = []
    dealer = stream(seed, "faults", "deck")
    while len(deck) < count:
        hand = list(main)
        dealer.shuffle(hand)
        deck += hand
    cycles = [draw_cycle(seed, number, kind, stops) for number, kind in enumerate(deck[:count], 1)]
    if schedule == BATON:
        cycles = [place_cycle(seed, cycle, always=bool(only)) for cycle in cycles]
    return tuple(cycles)


def place_cycle(seed: int, cycle: Cycle, *, always: bool) -> Cycle:
    """Under the baton most kills strike at a place, and there may be disturbances beside them.

    Runs are shorter there: a step is cheap, so more is learned from another seed than from more
    load before the same fault. `always`: the user has said which faults, so that only PLACE itself
    becomes a place.
    """
    chance = stream(seed, "faults", cycle.number, "place")
    kind = cycle.fault.name
    is_hunt = kind in ("startup", "stop:startup")  # in virtual time there is nothing to hunt for
    strictly = kind != PLACE and (always or kind in STOPS)
    placed, occasion = draw_place(chance, seed, cycle.number, kind, strictly=strictly)
    is_placed = chance.random() < SHARE_PLACED or turn_of(seed, cycle.number) is not None
    disturbances = draw_disturbances(stream(seed, "faults", cycle.number, "disturbances"))
    shorter = SHORTER_BEFORE_POWER_LOSS if kind == POWER_LOSS else SHORTER
    where = replace(cycle.fault.where, count=-(-cycle.fault.where.count // shorter))
    stop = cycle.stop
    if stop is not None:
        stop = replace(stop, where=replace(stop.where, count=-(-stop.where.count // SHORTER)))
    cycle = replace(
        cycle, fault=replace(cycle.fault, where=where), stop=stop, settle=cycle.settle // SHORTER
    )
    if kind == PLACE or is_hunt or (kind in KILLS and is_placed and not always):
        fault = replace(cycle.fault, name=PLACE, placed=placed, occasion=occasion, crash_by="")
        fault = replace(fault, interlock=occasion == INTERLOCK)
        cycle = replace(cycle, fault=fault)
    elif kind == POWER_LOSS:
        outage = draw_outage(stream(seed, "disk", cycle.number))
        cycle = replace(cycle, fault=replace(cycle.fault, freeze=False, **outage._asdict()))
    elif kind in DISK:
        failure = draw_disk_fault(stream(seed, "disk", cycle.number, "failure"), kind)
        cycle = replace(cycle, fault=replace(cycle.fault, freeze=False, **failure._asdict()))
    return replace(cycle, disturbances=disturbances)


def draw_swarm(seed: int) -> tuple[str, ...]:
    """Which faults are in play for this seed: most kills, some stops, a disk fault now and then."""
    chance = stream(seed, "faults", "swarm")
    kills = [kind for kind in KILLS if chance.random() < 0.75]
    stops = [kind for kind in STOPS if chance.random() < 0.4]
    disk = [
        kind for kind in IN_THE_SWARM if stream(seed, "faults", "swarm", kind).random() < SHARE_DISK
    ]
    return (*(kills or KILLS), *disk, *stops)


def draw_cycle(seed: int, number: int, kind: str, stops: Sequence[str]) -> Cycle:
    """One cycle with this kind of fault."""
    chance = stream(seed, "faults", number)
    settle = chance.choice([0, 5, 25])
    where = draw_where(chance, kind)
    fault = draw_fault(chance, kind, where)
    checkpoint_us = draw_checkpoint(stream(seed, "faults", number, "checkpoint"), kind)
    stop = draw_stop(stream(seed, "faults", number, "stop"), stops)
    if fault.in_the_way:
        checkpoint_us = None  # the controller has one connection, and needs it to find the victim
    return Cycle(number, fault, stop, settle, checkpoint_us)


def draw_stop(chance: random.Random, stops: Sequence[str]) -> Fault | None:
    """Perhaps a stop before the fault."""
    stopped = chance.random() < 0.35
    where = Where("started", max(1, chance.randint(1, 60)), chance.randint(0, 2000))
    return draw_fault(chance, chance.choice(list(stops)), where) if stops and stopped else None


def draw_checkpoint(chance: random.Random, kind: str) -> int | None:
    """How long before the fault a checkpoint begins: so many kills hit one in its midst."""
    share = {"checkpointer": 0.6, POWER_LOSS: 0.6, "logger": 0.0}.get(
        kind, 0.0 if kind in STOPS else 0.25
    )
    begun = chance.random() < share
    delay_us = int(chance.random() * LONGEST_CHECKPOINT_US)
    return delay_us if begun else None


def draw_where(chance: random.Random, kind: str) -> Where:
    """Most places are counted; a backend is most interesting in COMMIT and in a statement."""
    statements, commits = (0.45, 0.35) if kind == "backend" else (0.0, 0.25)
    drawn = chance.random()
    count = int(10 ** chance.uniform(1.2, 2.4))
    delay = int(chance.random() ** 2 * 3000)
    if drawn < statements:
        return Where("statements", count, int(10 ** chance.uniform(1.5, 3.8)))
    drawn -= statements
    if drawn < commits:
        return Where("commits", max(1, count // 2), delay // 2)
    if drawn < commits + 0.3:
        return Where("started", count, delay)
    if drawn < commits + 0.4:
        return Where("acknowledged", max(1, count // 2), delay)
    return Where("time_ms", count * 3, delay)


def draw_fault(chance: random.Random, kind: str, where: Where) -> Fault:
    """The fault with everything else about it; all is drawn, used or not (PLAN-2)."""
    hunts = tuple(
        Hunt(chance.choice(["seen", "seen", "redo"]), int(chance.random() ** 2 * 30_000))
        for _ in range(chance.choice([1, 2, 3]))
    )
    crash_by = chance.choice(["backend", "all"])
    victim = chance.randrange(1 << 16)
    freeze = chance.random() < 0.7
    hold_ms = chance.choice([5, 30, 120, 400])
    interlock = chance.random() < 0.4
    in_the_way = chance.random() < 0.5
    startup = kind in ("startup", "stop:startup")
    return Fault(
        name=kind,
        where=where,
        victim=victim,
        freeze=freeze and not kind.startswith("stop:"),
        hold_ms=hold_ms if kind.startswith("stop:") else 0,
        hunts=(hunts if kind == "startup" else hunts[:1]) if startup else (),
        crash_by=crash_by if startup else "",
        interlock=interlock and kind == "postmaster",
        in_the_way=in_the_way and "backend" in (kind, crash_by if startup else ""),
    )
