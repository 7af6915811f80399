"""The workloads by name, each with a mix drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from chaos.seeds import stream
from chaos.workloads.api import Workload
from chaos.workloads.append import Append, AppendMix
from chaos.workloads.bank import Bank, BankMix
from chaos.workloads.counters import Counters, CountersMix
from chaos.workloads.mixed import Mixed
from chaos.workloads.part import Part
from chaos.workloads.registers import Registers, RegistersMix
from chaos.workloads.sets import Sets, SetsMix
from chaos.workloads.tables import Tables, TablesMix

Mix = dict[str, dict[str, Any]]

MIXED: Final = "mixed"
TABLES: Final = "tables"
EQUAL_SHARES: Final = {"bank": 0.5, "append": 0.5}
"""What is mixed unless the mix says otherwise."""
SHARE_NEWER: Final = 0.4
"""Of seeds, for the workloads that a seed had not to choose from at first."""
SHARE_TABLES: Final = 0.06
"""Of seeds: a table that is made costs as much as many rows."""
SHARE_VARIED: Final = 0.5
"""Of mixed workloads: those of other parts than bank and append."""
SHARE_TABLES_BESIDE: Final = 0.2
"""Of those."""


def draw_workload(seed: int) -> str:
    """One name. The newer ones come instead of the others, so that most seeds keep theirs."""
    older = stream(seed, "workload", "kind").choice(["append", "bank", MIXED])
    chance = stream(seed, "workload", "newer")
    is_newer, newer = chance.random() < SHARE_NEWER, chance.choice(NEWER)
    if stream(seed, "workload", TABLES).random() < SHARE_TABLES:
        return TABLES
    return newer if is_newer else older


def draw_mix(seed: int) -> Mix:
    """Parameters for every workload: the plan keeps them, whichever is used (PLAN-2: each newer one
    has a stream of its own).
    """
    chance = stream(seed, "workload", "mix")
    bank = BankMix(
        accounts=chance.choice([16, 48, 64, 96]),
        read=chance.choice([0.05, 0.15, 0.3]),
        rollback=chance.choice([0.05, 0.1, 0.25]),
        repeatable_read=chance.choice([0.2, 0.4, 0.7]),
        unordered=chance.choice([0.0, 0.02, 0.05]),
        hot=chance.choice([0.0, 0.2, 0.6]),
    )
    append = AppendMix(
        lists=chance.choice([16, 24, 32]),
        longest_transaction=chance.choice([2, 4, 6]),
        read=chance.choice([0.3, 0.45, 0.6]),
        rollback=chance.choice([0.05, 0.1, 0.25]),
        repeatable_read=chance.choice([0.2, 0.4, 0.7]),
        unordered=chance.choice([0.0, 0.02, 0.05]),
        hot=chance.choice([0.0, 0.3, 0.6]),
    )
    # For all of them. Without padding a run hardly leaves its first segment of WAL.
    upkeep = {
        "checkpoint": chance.choice([0.0, 0.01, 0.03]),
        "vacuum": chance.choice([0.0, 0.004, 0.01]),
        "padding": chance.choice([0, 0, 500, 2000, 4000]),
    }
    newer = {name: DRAWN[name](stream(seed, "workload", "mix", name)) for name in DRAWN}
    parts = {"bank": asdict(bank), "append": asdict(append)} | newer
    mix = {name: one | upkeep for name, one in parts.items()}
    return mix | {MIXED: _draw_shares_of_parts(stream(seed, "workload", "mix", MIXED))}


def in_all_parts(mix: Mix, values: Mapping[str, Any]) -> Mix:
    """The mix with these values in place of each part's own."""
    return {name: {**one, **values} if name in PARTS else one for name, one in mix.items()}


def _draw_shares(chance: random.Random) -> dict[str, Any]:
    return {
        "rollback": chance.choice([0.05, 0.1, 0.25]),
        "repeatable_read": chance.choice([0.2, 0.4, 0.7]),
        "unordered": chance.choice([0.0, 0.02, 0.05]),
        "hot": chance.choice([0.0, 0.3, 0.6]),
    }


def _draw_registers(chance: random.Random) -> dict[str, Any]:
    mix = RegistersMix(
        **_draw_shares(chance),
        registers=chance.choice([8, 16, 32]),
        longest_transaction=chance.choice([2, 4, 6]),
        read=chance.choice([0.3, 0.45, 0.6]),
        informed=chance.choice([0.2, 0.5, 0.8]),
    )
    return asdict(mix)


def _draw_sets(chance: random.Random) -> dict[str, Any]:
    mix = SetsMix(
        **_draw_shares(chance),
        elements=chance.choice([0, 12, 24]),
        largest=chance.choice([24, 48, 80]),
        longest_transaction=chance.choice([1, 3, 5]),
        read=chance.choice([0.1, 0.2, 0.3]),
        remove=chance.choice([0.2, 0.4, 0.5]),
        looks=chance.choice([0.0, 0.2]),
    )
    return asdict(mix)


def _draw_counters(chance: random.Random) -> dict[str, Any]:
    mix = CountersMix(
        **_draw_shares(chance),
        counters=chance.choice([2, 8, 24]),
        longest_transaction=chance.choice([1, 2, 4]),
        read=chance.choice([0.1, 0.2, 0.3]),
    )
    return asdict(mix)


def _draw_tables(chance: random.Random) -> dict[str, Any]:
    mix = TablesMix(
        **_draw_shares(chance),
        slots=chance.choice([2, 3, 5]),
        rows=chance.choice([1, 4, 8]),
        read=chance.choice([0.7, 0.8, 0.9]),
    )
    return asdict(mix)


def _draw_shares_of_parts(chance: random.Random) -> dict[str, float]:
    """Bank and append, or any two or three of those that cost little, or tables beside these."""
    is_varied = chance.random() < SHARE_VARIED
    names = ["bank", "append", *NEWER]
    chance.shuffle(names)
    chosen = names[: chance.choice([2, 3])]
    if chance.random() < SHARE_TABLES_BESIDE:
        chosen.append(TABLES)
    if not is_varied:
        return dict.fromkeys(PARTS, 0.0) | EQUAL_SHARES
    return {name: 1.0 if name in chosen else 0.0 for name in PARTS}


DRAWN: Final[dict[str, Callable[[random.Random], dict[str, Any]]]] = {
    "counters": _draw_counters,
    "registers": _draw_registers,
    "sets": _draw_sets,
    TABLES: _draw_tables,
}
"""The newer workloads, each with how its mix is drawn."""
NEWER: Final = ("counters", "registers", "sets")


PARTS: Final[dict[str, Callable[[Mix, Iterator[int] | None], Part]]] = {
    "bank": lambda mix, ids: Bank(BankMix(**mix["bank"]), ids),
    "append": lambda mix, ids: Append(AppendMix(**mix["append"]), ids),
    "counters": lambda mix, ids: Counters(CountersMix(**mix["counters"]), ids),
    "registers": lambda mix, ids: Registers(RegistersMix(**mix["registers"]), ids),
    "sets": lambda mix, ids: Sets(SetsMix(**mix["sets"]), ids),
    TABLES: lambda mix, ids: Tables(TablesMix(**mix["tables"]), ids),
}
"""What can be mixed."""


def _alone(name: str) -> Callable[[Mix], Workload]:
    return lambda mix: PARTS[name](mix, None)


def parts_of(mix: Mix) -> dict[str, float]:
    """What `mixed` consists of, with the share of each; the bank if nothing has a share."""
    shares: Mapping[str, float] = mix.get(MIXED, EQUAL_SHARES)
    return {name: share for name, share in shares.items() if share > 0} or {"bank": 1.0}


def _mixed(mix: Mix) -> Workload:
    parts = parts_of(mix)
    return Mixed([(share, partial(PARTS[name], mix)) for name, share in parts.items()])


WORKLOADS: Final[dict[str, Callable[[Mix], Workload]]] = {
    **{name: _alone(name) for name in PARTS},
    MIXED: _mixed,
}
