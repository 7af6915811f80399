"""Each kind of expectation is compared: fulfilled it holds, turned round it is a violation that
names the step, what was expected and what came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chaos.scenario.format import parse_scenario
from chaos.scenario.playing import Stage

HEAD = 'hypothesis = "One step is wrong."\n'
TABLE = """
[[step]]
session = "a"
sql = "CREATE TABLE t (id int); INSERT INTO t VALUES (1)"
"""
LOCKED = (
    TABLE
    + """
[[step]]
session = "a"
sql = "BEGIN; UPDATE t SET id = 2"

[[step]]
session = "b"
sql = "UPDATE t SET id = 3"
waits = true
"""
)


class Case(NamedTuple):
    """The steps before, and one more that is right, and wrong; what is said of the wrong one."""

    name: str
    before: str
    right: str
    wrong: str
    said: str


SELECT = 'session = "a"\nsql = "SELECT id FROM t"\n'
NO_TABLE = 'session = "a"\nsql = "SELECT * FROM nowhere"\n'
KILLED = TABLE + '\n[[step]]\nkill = "backend of a"\n'
DOWN = TABLE + '\n[[step]]\nshutdown = "fast"\n'
STOPPED_ORPHAN = TABLE + '\n[[step]]\nstop = "backend of a"\n\n[[step]]\nkill = "postmaster"\n'

CASES = [
    Case("rows", TABLE, SELECT + "rows = [[1]]", SELECT + "rows = [[2]]",
         r"step 2 \(a> SELECT id FROM t\): expected the rows \[\(2\)\], came the rows \[\(1\)\]"),
    Case("null", TABLE, SELECT + "rows = [[1]]", SELECT + 'rows = [["NULL"]]',
         r"expected the rows \[\(NULL\)\], came the rows \[\(1\)\]"),
    Case("tag", TABLE, SELECT + 'tag = "SELECT 1"', SELECT + 'tag = "SELECT 2"',
         r"step 2 .*: expected the tag 'SELECT 2', came the rows"),
    Case("success", TABLE, SELECT, NO_TABLE,
         r"step 2 .*: expected success, came error 42P01 relation \"nowhere\" does not exist"),
    Case("error", TABLE, NO_TABLE + 'error = "42P01"', NO_TABLE + 'error = "42703"',
         r"step 2 .*: expected error 42703, came error 42P01"),
    Case("message", TABLE, NO_TABLE + 'error = true\nmessage = "does not"',
         NO_TABLE + 'error = true\nmessage = "does too"',
         r"step 2 .*: expected an error with a message that matches 'does too', came error 42P01"),
    Case("an error that does not come", TABLE, NO_TABLE + "error = true", SELECT + "error = true",
         r"step 2 .*: expected an error, came the rows \[\(1\)\]"),
    Case("lost", KILLED, 'session = "a"\nlost = true', 'session = "a"\nlost = "57P01"',
         r"step 3 \(a>\): expected that the connection is lost with 57P01, came the loss of"),
    Case("a loss that does not come", TABLE, SELECT, SELECT + "lost = true",
         r"step 2 .*: expected that the connection is lost, came the rows"),
    Case("a loss that was not expected", KILLED, 'session = "a"\nlost = true', SELECT,
         r"step 3 .*: expected success, came the loss of the connection: "),
    Case("refused", DOWN, 'session = "b"\nrefused = true',
         'session = "b"\nrefused = true\nmessage = "starting up"',
         r"step 3 \(b>\): expected that the connection is refused with .*'starting up', came the"),
    Case("a refusal that does not come", TABLE, SELECT, 'session = "b"\nrefused = true',
         r"step 2 \(b>\): expected that the connection is refused, but it was accepted"),
    Case("waits", LOCKED, 'session = "c"\nsql = "UPDATE t SET id = 4"\nwaits = true',
         SELECT.replace('"a"', '"c"') + "waits = true",
         r"step 4 .*: expected that it waits, came the rows \[\(1\)\]"),
    Case("finishes", LOCKED + '\n[[step]]\nsession = "a"\nsql = "ROLLBACK"\n',
         'session = "b"\nfinishes = true\ntag = "UPDATE 1"',
         'session = "b"\nfinishes = true\ntag = "UPDATE 0"',
         r"step 5 \(b>\): expected the tag 'UPDATE 0', came the tag 'UPDATE 1'"),
    Case("a second statement while one waits", LOCKED, 'session = "a"\nsql = "COMMIT"',
         'session = "b"\nsql = "SELECT 1"',
         r"step 4 .*: session b still waits: its `finishes` comes first"),
    Case("log", KILLED, 'await = "recovery"\nlog = ["redo done at"]',
         'await = "recovery"\nlog = ["redo undone"]',
         r"(?s)step 3 .*: expected a log line that matches 'redo undone'; the log says:\n.*redo"),
    Case("no_log", KILLED, 'await = "recovery"\nno_log = ["PANIC"]',
         'await = "recovery"\nno_log = ["redo done at"]',
         r"step 3 .*: expected no log line that matches 'redo done at'; came '.*redo done at"),
    Case("a recovery that does not come", KILLED, 'await = "recovery"', 'await = "end"',
         r"step 3 \(await end\): expected that the postmaster ends within 5 s; the log says"),
    Case("an end that was not expected", TABLE + '\n[[step]]\nkill = "postmaster"\n',
         'await = "end"', 'await = "recovery"',
         r"step 3 .*: expected that the server is ready, but the postmaster ended \(exit status"),
    Case("start", STOPPED_ORPHAN, 'start = "fails"', 'start = "up"',
         r"step 4 \(start: up\): expected that the server is ready, but the postmaster ended"),
    Case("start that must fail", DOWN, 'start = "up"', 'start = "fails"',
         r"step 3 \(start: fails\): expected that the postmaster ends within 5 s"),
    Case("start of what runs", DOWN, 'start = "up"', 'shutdown = "fast"',
         r"step 3 .*: expected that the server runs, but it is down"),
    Case("shutdown status", TABLE, 'shutdown = "fast"', 'shutdown = "fast"\nstatus = 1',
         r"step 2 \(shutdown: fast\): expected exit status 1, came 0"),
    Case("a victim that is not there", TABLE, 'kill = "backend of a"', 'kill = "backend of b"',
         r"step 2 .*: expected that there is a process backend of b, but there is none"),
    Case("continue", TABLE + '\n[[step]]\nstop = "bgwriter"\n', 'continue = "bgwriter"',
         'continue = "walwriter"',
         r"step 3 .*: expected that walwriter was stopped, but it was not"),
    Case("saved", TABLE, SELECT + 'save = "id"',
         'session = "a"\nsql = "SELECT id FROM t WHERE id > 1"\nsave = "id"',
         r"step 2 .*: expected a value to be saved as id, came the tag 'SELECT 0'"),
    Case("await strike", TABLE + '\n[[step]]\narm = "time 2s: kill checkpointer"\n',
         'await = "strike"', SELECT + "lost = true",
         r"came the rows \[\(1\)\] \(armed and not reached: time 2s: kill checkpointer\)"),
    Case("a PANIC that nobody has looked for",
         TABLE + '\n[[step]]\narm = "backend of a fsync: eio"\n\n[[step]]\nsession = "a"\n'
         'sql = "INSERT INTO t VALUES (2)"\nlost = true\n\n[[step]]\nawait = "recovery"\n',
         'log = ["PANIC"]', 'log = ["redo done at"]',
         r"at the end: no step has looked for '.*PANIC:  could not fsync"),
    Case("checksums", TABLE + '\n[[step]]\nshutdown = "fast"\n', 'start = "up"',
         'damage = { file = "base/5/1249", at = 8200, garbage = 16 }',
         r"at the end: a page's checksum is wrong: .*1249"),
]  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with closing(Stage(tmp_path_factory.mktemp("out"))) as one:
        yield one


def play(stage: Stage, text: str, tmp_path: Path) -> dict[str, Any]:
    """One scenario that is a text."""
    file = tmp_path / "scenario.toml"
    file.write_text(text, encoding="utf-8")
    return stage.play(parse_scenario(text, str(file), "text"), file, "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_an_expectation_holds_when_it_is_right_and_only_then(
    stage: Stage, case: Case, tmp_path: Path
) -> None:
    head = f"{HEAD}bound_s = 5\n{case.before}\n[[step]]\n"
    right = play(stage, head + case.right, tmp_path)
    assert (right["verdict"], right["reason"]) == ("held", "")
    wrong = play(stage, head + case.wrong, tmp_path)
    assert wrong["verdict"] == "violated"
    assert re.search(case.said, wrong["reason"]), wrong["reason"]


def test_a_fault_that_is_never_reached_has_measured_nothing(stage: Stage, tmp_path: Path) -> None:
    arm = '\n[[step]]\narm = "checkpointer fsync 9000: kill"\n'
    result = play(stage, HEAD + TABLE + arm, tmp_path)
    assert result["verdict"] == "not_measured"
    assert result["reason"] == "never reached: checkpointer fsync 9000: kill"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ('session = "a"\nsql = "SELECT ${x}"', "nothing was saved as x, which 'SELECT ${x}'"),
        ('damage = { wal = "end", zeros = 8 }', "damage is for a server that is down"),
        ('arm = "backend no-such-point: kill"', "no call or injection point 'no-such-point'"),
    ],
)
def test_a_step_that_cannot_be_done_breaks_the_harness(
    stage: Stage, tmp_path: Path, step: str, reason: str
) -> None:
    result = play(stage, f"{HEAD}{TABLE}\n[[step]]\n{step}\n", tmp_path)
    assert result["verdict"] == "harness_broken"
    assert reason in result["reason"]


def test_what_is_left_of_a_failure_is_kept(stage: Stage, tmp_path: Path) -> None:
    result = play(stage, f"{HEAD}{TABLE}\n[[step]]\n{SELECT}rows = [[2]]\n", tmp_path)
    kept = Path(result["bundle"])
    names = {path.name for path in kept.iterdir()}
    assert names >= {"scenario.toml", "logs", "data", "trace.bin.gz", "stacks.txt"}
    assert "ready to accept connections" in (kept / "logs" / "server.log").read_text()


def test_the_same_seed_plays_the_same_steps(stage: Stage, tmp_path: Path) -> None:
    text = f"{HEAD}seed = 5\n{LOCKED}"
    digests = [play(stage, text, tmp_path)["digest"] for _ in range(2)]
    other = play(stage, text.replace("seed = 5", "seed = 6"), tmp_path)["digest"]
    assert digests[0] == digests[1] != other
