"""What crashes took is counted once, at the first audit without it."""

from __future__ import annotations

from chaos.suffix import Lost, lost_suffixes
from tests.properties.history_builder import BANK, Builder


def test_what_is_gone_after_a_crash_is_counted_with_the_age_of_the_oldest() -> None:
    now = 0.0
    built = Builder(BANK, lambda: now)
    for transaction in (1, 2, 3):
        now = transaction / 1000
        built.transfer(transaction)
    now = 0.010
    built.reaction("power-loss")
    built.audit(ledger=[1], accounts=[])
    built.reaction("all")
    built.audit(ledger=[], accounts=[])
    assert lost_suffixes(built.events) == [Lost(1, 2, 8.0), Lost(1, 1, 9.0)]


def test_nothing_is_lost_where_all_that_was_acknowledged_is_there() -> None:
    built = Builder(BANK)
    built.transfer(1)
    built.transfer(2, "info")
    built.transfer(3, "fail")
    built.reaction("all")
    built.audit(ledger=[1], accounts=[])
    assert lost_suffixes(built.events) == []
