"""Histories: written, read again, and in Jepsen's notation."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.history import History, event_to_edn, read_history, write_history


def sample() -> History:
    """Two operations and a note."""
    history = History(lambda: 0.0)
    history.note("begin", {"accounts": 3})
    transfer = history.invoke(0, "transfer", {"from": 1}, transaction=7, isolation="read committed")
    history.complete(transfer, "info", {"from": 1}, "57P02 terminating connection")
    read = history.invoke(4, "txn", [["append", 3, 17], ["r", 3, None]])
    history.complete(read, "ok", [["append", 3, 17], ["r", 3, [16, 17]]])
    return history


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = sample()
    write_history(path, history)
    assert read_history(path) == history.events


def test_a_line_that_is_no_event_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"nonsense":1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"history.jsonl:1: not an event"):
        read_history(path)


def test_an_event_does_not_change_when_its_value_does() -> None:
    history = History(lambda: 0.0)
    value: dict[str, list[int]] = {"versions": []}
    invoked = history.invoke(0, "transfer", value)
    value["versions"].append(1)
    assert invoked.value == {"versions": []}
    assert history.complete(invoked, "ok", value).value == {"versions": [1]}


def test_list_transactions_are_elles_in_edn() -> None:
    line = event_to_edn(sample().events[-1])
    assert ":type :ok" in line
    assert ":process 4" in line
    assert ":value [[:append 3 17] [:r 3 [16 17]]]" in line


def test_register_transactions_are_elles_in_edn() -> None:
    history = History(lambda: 0.0)
    history.invoke(0, "rw", [["w", 3, 17, None], ["r", 4, 5, 2], ["r", 5, 0, 0]], transaction=1)
    assert ":f :rw, :value [[:w 3 17] [:r 4 5] [:r 5 nil]]" in event_to_edn(history.events[0])


def test_other_values_and_errors_are_edn_too() -> None:
    line = event_to_edn(sample().events[2])
    assert ":value {:from 1}, " in line
    assert ':isolation "read committed", :error "57P02 terminating connection"' in line
    assert ":process :nemesis" in event_to_edn(sample().events[0])
