"""The workloads by name, each with a mix drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from chaos.workloads.api import Workload
from chaos.workloads.append import Append, AppendMix
from chaos.workloads.bank import Bank, BankMix
from chaos.workloads.mixed import Mixed


def draw_mix(chance: random.Random) -> dict[str, dict[str, Any]]:
    """Parameters for every workload: the plan keeps them, whichever is used."""
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
    # For both, and drawn last. Without padding a run hardly leaves its first segment of WAL.
    upkeep = {
        "checkpoint": chance.choice([0.0, 0.01, 0.03]),
        "vacuum": chance.choice([0.0, 0.004, 0.01]),
        "padding": chance.choice([0, 0, 500, 2000, 4000]),
    }
    return {"bank": asdict(bank) | upkeep, "append": asdict(append) | upkeep}


WORKLOADS: Final[dict[str, Callable[[dict[str, dict[str, Any]]], Workload]]] = {
    "bank": lambda mix: Bank(BankMix(**mix["bank"])),
    "append": lambda mix: Append(AppendMix(**mix["append"])),
    "mixed": lambda mix: Mixed(BankMix(**mix["bank"]), AppendMix(**mix["append"])),
}
