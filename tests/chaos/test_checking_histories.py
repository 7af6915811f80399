"""`chaos check`: exit status by the verdict, and no traceback for any file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaos.cli.commands import commands
from chaos.history import Event, write_history

WRITE_SKEW = """\
{:index 0, :type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:append :y 1]]}
{:index 1, :type :invoke, :process 1, :f :txn, :value [[:r :y nil] [:append :x 1]]}
{:index 2, :type :ok, :process 0, :f :txn, :value [[:r :x []] [:append :y 1]]}
{:index 3, :type :ok, :process 1, :f :txn, :value [[:r :y []] [:append :x 1]]}
"""
NOTHING_READ = """\
{:type :invoke, :process 0, :f :txn, :value [[:append :x 1]]}
{:type :ok, :process 0, :f :txn, :value [[:append :x 1]]}
"""
BLIND_WRITES = "".join(
    f"{{:type :{kind}, :process {process}, :f :txn, :value [{value}]}}\n"
    for kind, written in (("invoke", False), ("ok", True))
    for process, value in enumerate(
        [
            "[:w 1 1] [:w 2 1]",
            "[:w 1 2] [:w 2 2]",
            "[:r 1 1] [:r 2 2]" if written else "[:r 1 nil] [:r 2 nil]",
        ]
    )
)


def check(*arguments: Any) -> Result:
    result = CliRunner().invoke(commands, ["check", *map(str, arguments)])
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "history.edn"
    path.write_text(WRITE_SKEW)
    return path


def test_a_model_that_held_is_status_0(file: Path) -> None:
    result = check(file, "--model", "snapshot-isolation")
    assert result.exit_code == 0
    assert result.output.startswith("held: nothing in this history speaks against snapshot-isol")
    assert "G2-item, once, which snapshot-isolation allows" in result.output


def test_a_model_that_was_violated_is_status_1_with_a_witness_in_sentences(file: Path) -> None:
    result = check(file, "--model", "PL-3")
    assert result.exit_code == 1
    assert result.output.startswith("violated: serializable did not hold (G2-item)\n")
    for sentence in (
        "  T1 = process 0, 0 to 2, ok: [[:r :x []] [:append :y 1]]\n",
        "  T1 < T2, because T1 read list :x when it was empty, and T2 appended 1 to it.\n",
        "  However, T2 < T1, because T2 read list :y when it was empty, and T1 appended 1 to it: ",
        "Ruled out: repeatable-read, and so also serializable, ",
        "Not ruled out: strong-snapshot-isolation, and what is weaker.\n",
    ):
        assert sentence in result.output


def test_a_history_that_cannot_tell_is_status_3_with_the_reason(file: Path) -> None:
    file.write_text(NOTHING_READ)
    result = check(file)
    assert result.exit_code == 3
    assert result.output.startswith("unknown: ")
    assert "nothing read: no committed transaction read a list" in result.output
    file.write_text("")
    assert check(file).exit_code == 3


def test_json_is_one_object_with_everything(file: Path) -> None:
    result = check(file, "--json")
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert told["verdict"] == "violated"
    assert told["violations"] == ["G2-item"]
    [witness] = told["anomalies"]["G2-item"]["witnesses"]
    assert [one["process"] for one in witness["transactions"]] == [0, 1]
    assert [(e["from"], e["to"], e["kind"]) for e in witness["edges"]] == [
        (0, 1, "rw"), (1, 0, "rw"),
    ]  # fmt: skip
    assert witness["explanation"][-1].endswith("a contradiction.")
    assert told["weakest_ruled_out"] == ["repeatable-read"]


def test_registers_are_checked_as_registers(file: Path) -> None:
    file.write_text(WRITE_SKEW.replace(":append", ":w").replace("[]", "nil"))
    for arguments in ((), ("--workload", "rw-register")):
        result = check(file, "--model", "serializable", *arguments)
        assert result.exit_code == 1
        assert "read register :x when nothing was written to it yet" in result.output
    assert check(file, "--workload", "list-append").exit_code == 2


def test_files_are_written_on_request(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    assert check(file, "--out", out, "--dot", "--svg").exit_code == 1
    assert sorted(path.name for path in out.iterdir()) == [
        "G2-item-1.dot", "G2-item-1.svg", "report.json", "report.txt",
    ]  # fmt: skip
    assert json.loads((out / "report.json").read_text())["verdict"] == "violated"
    assert (out / "report.txt").read_text().startswith("violated: ")
    assert check(file, "--dot").exit_code == 2


def test_the_directory_that_a_run_left_is_checked(tmp_path: Path) -> None:
    level = "read committed"
    begun, done = [["append", 3, 1], ["r", 4, None]], [["append", 3, 1], ["r", 4, []]]
    events = [
        Event(0, 0, "info", "nemesis", "begin", {"lists": 3}),
        Event(1, 5, "invoke", 0, "txn", begun, 1, level),
        Event(2, 6, "invoke", 1, "txn", [["r", 3, None], ["append", 4, 2]], 2, level),
        Event(3, 7, "ok", 1, "txn", [["r", 3, []], ["append", 4, 2]], 2, level),
        Event(4, 8, "ok", 0, "txn", done, 1, level),
    ]
    write_history(tmp_path / "history.jsonl", events)
    result = check(tmp_path, "--model", "serializable")
    assert result.exit_code == 0
    assert "1 events of no transaction were left out: begin 1" in result.output


MALFORMED: dict[str, bytes] = {
    "text": b"# A heading\n\nand text\n",
    "half a line": WRITE_SKEW[:-20].encode(),
    "two invocations": 2 * NOTHING_READ.splitlines(keepends=True)[0].encode(),
    "a completion alone": NOTHING_READ.splitlines()[1].encode(),
    "an unknown type": b"{:type :maybe, :process 0, :f :txn, :value []}",
    "an unknown micro-operation": NOTHING_READ.replace(":append", ":cas").encode(),
    "no operation": b"[1 2 3]",
    "half an array": b'[{"type": "invoke", "process": 0, "f": "txn", "value": []}',
    "other JSON": b'{"name": "package"}',
    "a string in JSON": b'[{"index": "one"}]',
    "a bomb": b'{"a":' * 100_000,
    "bytes": bytes(range(256)),
    "compressed": gzip.compress(WRITE_SKEW.encode()),
    "zeros": bytes(4096),
    "an empty map": b"{}",
    "a word of JSON": b"true",
    "a number too long": b"{:index " + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_file_that_is_no_history_is_wrong_usage_and_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    result = check(file)
    assert result.exit_code == 2
    assert result.output.startswith(f"chaos check: {file}")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_what_the_checkers_of_a_run_want_is_told(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    result = check(file, "--checkers")
    assert result.exit_code == 2
    assert result.output.startswith(f"chaos check: {file}")
    assert "--checkers wants the directory that a run has left" in result.output
    assert result.output.count("\n") == 1


def test_a_run_without_lists_and_registers_is_pointed_to_the_checkers(tmp_path: Path) -> None:
    begin = Event(0, 0, "info", "nemesis", "begin", {"workload": "bank"})
    write_history(tmp_path / "history.jsonl", [begin])
    result = check(tmp_path)
    assert result.exit_code == 3
    assert "no lists and no registers" in result.stderr
    assert f"chaos check --checkers {tmp_path}" in result.stderr


def test_what_cannot_be_read_or_written_is_wrong_usage(file: Path, tmp_path: Path) -> None:
    assert check(tmp_path / "none").exit_code == 2
    assert check(tmp_path).exit_code == 2
    assert check(file, "--model", "best-effort").exit_code == 2
    assert check(file, "--workload", "queue").exit_code == 2
    (tmp_path / "in the way").write_text("")
    assert check(file, "--out", tmp_path / "in the way").exit_code == 2
    assert check(file, "--out", tmp_path / "in the way" / "below").exit_code == 2
    file.rename(file.with_suffix(".edn.gz"))
    assert check(file.with_suffix(".edn.gz")).exit_code == 2


def test_what_blind_writes_leave_open_is_unknown_and_told(file: Path) -> None:
    file.write_text(BLIND_WRITES)
    assert check(file, "--model", "read-committed").exit_code == 0
    result = check(file, "--model", "serializable")
    assert result.exit_code == 3
    assert "order unknown: " in result.output
