"""Histories are read as they were written, in every shape; and what is no history is refused, with
file and line.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from chaos.history import Event, event_to_edn, write_history
from properties.isolation import histories
from properties.isolation.histories import History, NoHistory, read_history
from properties.isolation.transactions import Op, Transaction
from tests.properties.isolation.executors import LIST_APPEND, RW_REGISTER, random_history

EDN = """\
{:index 0, :time 1, :type :invoke, :process 3, :f :txn, :value [[:append 7 1] [:r 8 nil]]}
{:index 1, :time 2, :type :info, :process :nemesis, :f :kill, :value {:node "n1"}}
{:index 2, :time 3, :type :invoke, :process 4, :f :txn, :value [[:append 8 2] [:r 7 nil]]}
{:index 3, :time 4, :type :ok, :process 3, :f :txn, :value [[:append 7 1] [:r 8 [5 6]]]}
{:index 4, :time 5, :type :info, :process 4, :f :txn, :value [[:append 8 2] [:r 7 nil]], :e 1}
{:index 5, :time 6, :type :invoke, :process 3, :f :txn, :value [[:append 9 3]]}
{:index 6, :time 7, :type :fail, :process 3, :f :txn, :value nil, :error [:conflict "late"]}
{:index 7, :time 8, :type :invoke, :process 3, :f :txn, :value [[:r 7 nil]]}
"""
TRANSACTIONS = [
    Transaction(0, 3, "ok", (Op("append", 7, 1), Op("r", 8, (5, 6))), 0, 3),
    Transaction(1, 4, "info", (Op("append", 8, 2), Op("r", 7, None)), 2, None),
    Transaction(2, 3, "fail", (Op("append", 9, 3),), 5, 6),
    Transaction(3, 3, "info", (Op("r", 7, None),), 7, None),
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history"


def read(path: Path, text: str, workload: str | None = None) -> History:
    path.write_text(text, encoding="utf-8")
    return read_history(path, workload)


def as_json(text: str) -> list[dict[str, Any]]:
    """The events of an EDN history as Jepsen writes them in JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(part) for part in value]
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        return value.removeprefix(":") if isinstance(value, str) else value

    return [plain(event) for _, event in histories.read_forms(text.splitlines())]


@pytest.mark.parametrize(
    "shape",
    [
        EDN,
        "; from a test\n\n" + EDN,
        "\ufeff" + EDN,
        "[" + EDN + "]",
        "[" + EDN.replace("\n", " ") + "]",
        EDN.replace("{:index", "#jepsen.history.Op{:index"),
        EDN.replace(", ", "  ").replace("{:", "{\n:"),
        "".join(json.dumps(event) + "\n" for event in as_json(EDN)),
        "\n" + json.dumps(as_json(EDN)),
        json.dumps(as_json(EDN), indent=2),
    ],
    ids=["lines", "comment", "mark", "vector", "one line", "tagged", "spread", "json lines",
         "json array", "json spread"],
)  # fmt: skip
def test_a_history_is_read_in_every_shape(file: Path, shape: str) -> None:
    found = read(file, shape)
    assert found.transactions == TRANSACTIONS
    assert (found.events, found.left_out) == (8, {"kill": 1})
    assert found.workload == LIST_APPEND


def test_a_compressed_history_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.edn.gz"
    path.write_bytes(gzip.compress(EDN.encode()))
    assert read_history(path).transactions == TRANSACTIONS


def test_an_empty_history_has_no_transactions(file: Path) -> None:
    for text in ("", "\n\n", "[]", "; nothing\n"):
        assert read(file, text).transactions == []


def test_a_history_of_registers_is_told_from_one_of_lists(file: Path) -> None:
    registers = "{:type :invoke, :process 0, :f :txn, :value [[:r 1 nil] [:w 1 2]]}\n"
    assert read(file, registers).workload == RW_REGISTER
    begin = "{:type :invoke, :process 0, :f :txn, :value [[:r 1 nil]]}\n"
    end = "{:type :ok, :process 0, :f :txn, :value [[:r 1 %s]]}\n"
    assert read(file, begin + end % "[4]").workload == LIST_APPEND
    assert read(file, begin + end % "4").workload == RW_REGISTER
    assert read(file, begin + end % "[4]", RW_REGISTER).transactions[0].ops[0].value == (4,)


def test_events_without_index_f_or_process_are_taken_in_their_order(file: Path) -> None:
    text = (
        "{:type :invoke :value [[:append 253 1] [:r 8]]}\n"
        "{:type :ok     :value [[:append 253 1] [:r 8 nil]]}\n"
        "{:type :invoke :value [[:append :x 2]]}\n"
    )
    assert read(file, text).transactions == [
        Transaction(0, None, "ok", (Op("append", 253, 1), Op("r", 8, None)), 0, 1),
        Transaction(1, None, "info", (Op("append", ":x", 2),), 2, None),
    ]


def test_keys_and_values_can_always_be_hashed(file: Path) -> None:
    text = (
        "{:type :invoke, :process [1 2], :f :other}\n"
        "{:type :invoke, :process 1, :f :txn, :value [[:append [1 [2]] {:a 1}] [:r 3 nil]]}\n"
        "{:type :ok, :process 1, :f :txn, :value [[:append [1 [2]] {:a 1}] [:r 3 [[4] {:b 2}]]]}\n"
    )
    [transaction] = read(file, text).transactions
    assert transaction.ops == (Op("append", (1, (2,)), "{:a 1}"), Op("r", 3, ((4,), "{:b 2}")))
    assert hash(transaction.ops)


def test_the_history_of_a_run_is_read_with_the_levels_as_postgresql_keeps_them(file: Path) -> None:
    value = [["append", 3, 1], ["r", 4, None]]
    levels = ["read committed", "repeatable read", "serializable", None]
    events = [Event(0, 0, "info", "nemesis", "begin", {"lists": 3})]
    for process, level in enumerate(levels):
        events.append(Event(len(events), 5, "invoke", process, "txn", value, 7, level))
    write_history(file, events)
    found = read_history(file)
    assert [transaction.isolation for transaction in found.transactions] == [
        "read-committed", "strong-snapshot-isolation", "serializable", None,
    ]  # fmt: skip
    file.write_text("".join(event_to_edn(event) + "\n" for event in events))
    assert [t.ops for t in read_history(file).transactions] == [t.ops for t in found.transactions]


def test_the_registers_of_a_run_are_read_if_asked_for_or_if_there_is_nothing_else(
    file: Path,
) -> None:
    writes = [["w", 1, 5, 3], ["r", 2, 0, 0], ["r", 3, 7, 1]]
    registers = [
        Event(0, 0, "invoke", 0, "rw", [["w", 1, 5, None], ["r", 2, None, None]]),
        Event(1, 5, "ok", 0, "rw", writes),
    ]
    lists = [Event(2, 6, "invoke", 1, "txn", [["append", 1, 5]])]
    ops = (Op("w", 1, 5), Op("r", 2, None), Op("r", 3, 7))
    write_history(file, registers)
    assert read_history(file).transactions == [Transaction(0, 0, "ok", ops, 0, 1)]
    write_history(file, registers + lists)
    assert read_history(file, RW_REGISTER).transactions[0].ops == ops
    assert read_history(file, RW_REGISTER).left_out == {"txn": 1}
    assert read_history(file).transactions[0].ops == (Op("append", 1, 5),)


@pytest.mark.parametrize("workload", [LIST_APPEND, RW_REGISTER])
def test_what_is_written_is_read_again(file: Path, workload: str) -> None:
    for seed in range(100):
        transactions = random_history(random.Random(seed), workload, "read committed")
        histories.write_history(file, transactions)
        found = read_history(file, workload).transactions
        assert [(t.id, t.process, t.status) for t in found] == [
            (t.id, t.process, t.status) for t in transactions
        ]
        assert [[op for op in t.ops if op.value] for t in found] == [
            [op for op in t.ops if op.value] for t in transactions
        ]


def test_reads_share_the_values_of_the_longest(file: Path) -> None:
    reads = [list(range(1000, 1000 + n)) for n in (3, 1, 5)]
    text = "".join(
        f"{{:type :{kind}, :process 0, :f :txn, :value [[:r 1 {json.dumps(value)}]]}}\n"
        for value in reads
        for kind in ("invoke", "ok")
    )
    first, second, third = (t.ops[0].value for t in read(file, text).transactions)
    assert (list(first), list(second), list(third)) == tuple(reads)
    assert first[0] is second[0] is third[0]
    assert first[2] is third[2]


DIGITS = "7" * 5000
BEGIN = "{:type :invoke, :process 0, :f :txn, :value [[:append 1 1]]}\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (BEGIN + BEGIN, 2, "process 0 begins a transaction before the one of line 1 has ended"),
        (BEGIN.replace(":invoke", ":ok"), 1, r"process 0 completes \(ok\) what it never began"),
        (BEGIN.replace(":invoke", ":info"), 1, "what it never began"),
        (BEGIN.replace(":invoke", ":begin"), 1, ":begin is no type of an event"),
        (BEGIN.replace(":invoke", "[1]"), 1, "is no type of an event"),
        (BEGIN.replace(":process 0", ":process [0]"), 1, "is no process"),
        (BEGIN + BEGIN.replace(":invoke", ":ok").replace(":append", ":cas"), 2, ":cas"),
        (BEGIN + BEGIN.replace(":invoke", ":ok").replace(":append", "[1]"), 2, "unknown micro-op"),
        (BEGIN.replace("[[:append 1 1]]", "nil"), 1, "without its micro-operations: nil"),
        (BEGIN.replace("[[:append 1 1]]", "[:append 1 1]"), 1, ":append is no micro-operation"),
        (BEGIN.replace("[:append 1 1]", "[:append 1]"), 1, r"\[:append 1\] writes nothing"),
        (BEGIN.replace("[:append 1 1]", "[:w 1 nil]"), 1, r"\[:w 1 nil\] writes nothing"),
        (BEGIN.replace("[:append 1 1]", "[:append 1 1] [:w 1 1]"), 1, "'w' in a history of the"),
        (
            "\n{:index 5 :f :x}\n{:index 5 :f :x}",
            3,
            "index 5 does not come after the one before, 5",
        ),
        ("{:index :a}", 1, "index :a does not come after"),
        ("{:index 5 :f :x}\n17", 2, "this is no operation, which would be a map: 17"),
        ("{:index 5 :f :x}\n{:index 6", 2, "ends before"),
        ('{"index": 5, "f": "x"}\n{"index": 6', 2, "this is no JSON"),
        ('[{"index": 5, "f": "x"},\n {"index": 6', 2, "this is no JSON"),
        ('[{"index": 5, "f": "x"},\n {"index": 5, "f": "x"}]', 2, "does not come after"),
        ('[{"index": 5, "f": "x"}]\n]', 1, "something after the array"),
        (f"{{:index {2**63} :f :x}}", 1, "index 9223372036854775808 is no position"),
        (f'\n{{"index": {2**63 - 1}, "f": "x"}}\n{{"f": "x"}}', 3, "is no position"),
        (f'{{"index": 5, "f": "x"}}\n{{"value": {DIGITS}}}', 2, "too many digits"),
        (f'[{{"index": 5, "f": "x"}},\n {{"value": {DIGITS}}}]', 2, "too many digits"),
        (f"{{:index 5 :f :x}}\n{{:value {DIGITS}}}", 2, "cannot be read as a number"),
        (f"{{:index 5 :f :x}}\n{{:value {DIGITS[:400]}/3}}", 2, "cannot be read as a number"),
        (BEGIN.replace(":f", ":isolation 3, :f"), 1, "3 is no isolation level"),
    ],
)
def test_what_is_no_history_is_refused_with_file_and_line(
    file: Path, text: str, line: int, said: str
) -> None:
    with pytest.raises(NoHistory, match=f"^{file}:{line}: .*{said}"):
        read(file, text)


def test_micro_operations_must_be_those_of_the_workload(file: Path) -> None:
    with pytest.raises(NoHistory, match="'append' in a history of the workload rw-register"):
        read(file, BEGIN, RW_REGISTER)
    read_int = BEGIN.replace("[:append 1 1]", "[:r 1 3]")
    with pytest.raises(NoHistory, match="list 1 was read as 3, which is no list"):
        read(file, read_int + read_int.replace(":invoke", ":ok"), LIST_APPEND)


def test_a_file_of_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.edn"
    path.write_bytes(BEGIN.encode() + b"\xff\xfe\x00")
    with pytest.raises(NoHistory, match="not text in UTF-8"):
        read_history(path)
    packed = tmp_path / "history.edn.gz"
    for content in (b"plain", gzip.compress(BEGIN.encode() * 99)[:50]):
        packed.write_bytes(content)
        with pytest.raises(NoHistory, match="not compressed as its name says"):
            read_history(packed)


def test_json_too_deep_to_be_read_is_refused(file: Path) -> None:
    with pytest.raises(NoHistory, match="too deep"):
        read(file, '{"value":' + "[" * 200_000 + "\n")


def test_reading_tells_how_far_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "PROGRESS_EVERY", 2)
    told: list[tuple[int, int]] = []
    file.write_text(EDN)
    read_history(file, None, lambda done, of: told.append((done, of)))
    assert len(told) == 4
    assert all(0 < done <= of == len(EDN) for done, of in told)
