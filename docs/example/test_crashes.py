"""Crash properties of a bank: `pytest test_crashes.py`."""

from properties import crash_property

FAULTS = ("backend", "checkpointer", "power-loss")


@crash_property(workload="bank", faults=FAULTS, seeds=5)
def test_money_is_neither_made_nor_lost(cluster, history):
    [(total,)] = cluster.query("SELECT sum(balance) FROM accounts")
    assert total == history.facts["accounts"] * history.facts["balance"]


@crash_property(workload="bank", faults=FAULTS, seeds=5)
def test_what_was_acknowledged_is_there(cluster, history):
    there = {number for (number,) in cluster.query("SELECT id FROM ledger")}
    acknowledged = {event.transaction for event in history if event.type == "ok"}
    assert acknowledged - {None} <= there
