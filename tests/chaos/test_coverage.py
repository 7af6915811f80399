"""`chaos coverage`: the matrix of who was killed where, and above all what was never struck."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from chaos.cli.commands import commands
from chaos.coverage import Coverage, NoResult
from chaos.report.coverage import CoverageReport
from chaos.scheduler.calls import CALL_NAMES, ROLES
from tests.chaos.command import chaos

Record = dict[str, Any]


def strike(role: str, call: str, reaction: str = "crash restart", by: str = "place") -> Record:
    """As `chaos run --json` has it."""
    return {"role": role, "call": call, "by": by, "reaction": reaction}


FIRST: Record = {
    "seed": 1,
    "reached": {
        "controller": {"wait": 1000},
        "checkpointer": {"fsync": 5, "checkpoint-redo-taken": 2},
        "backend": {"fsync": 7, "commit-record-flushed": 30},
    },
    "strikes": [
        strike("backend", "commit-record-flushed"),
        strike("backend", "commit-record-flushed", "started anew", "hand"),
        strike("backend", "commit-record-flushed"),
    ],
}
SECOND: Record = {
    "seed": 2,
    "reached": {"logger": {"wait": 4}, "checkpointer": {"fsync": 1}, "backend": {"fsync": 1}},
    "strikes": [strike("logger", "wait", "replaced alone"), strike("checkpointer", "fsync")],
}
FREE: Record = {"seed": 3, "reached": {}, "strikes": []}


def write(path: Path, *records: object) -> str:
    """A file of results."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def invoke(*arguments: str, stdin: bytes | None = None) -> Result:
    """`chaos coverage`."""
    return CliRunner().invoke(commands, ["coverage", *arguments], input=stdin)


def rows(output: str) -> dict[str, list[str]]:
    """The words of each line, by its first word."""
    return {words[0]: words[1:] for line in output.splitlines() if (words := line.split())}


def test_a_place_that_was_reached_and_never_struck_is_a_gap(tmp_path: Path) -> None:
    shown = invoke(write(tmp_path / "results", FIRST, SECOND))
    assert shown.exit_code == 0
    assert "  checkpointer: checkpoint-redo-taken (2)" in shown.output
    assert "  backend: fsync (8)" in shown.output
    assert "2 runs: 3 of 5 places reached were struck (60.0 %), 5 kills" in shown.output
    gap = rows(shown.output)["checkpoint-redo-taken"]
    assert gap == ["(2)"]


def test_a_gap_is_none_any_more_when_one_run_struck_there(tmp_path: Path) -> None:
    late = {
        "reached": {"backend": {"fsync": 1}},
        "strikes": [
            strike("backend", "fsync"),
            strike("checkpointer", "checkpoint-redo-taken", "nothing"),
        ],
    }
    files = [write(tmp_path / "a", FIRST, SECOND), write(tmp_path / "b", late)]
    shown = invoke(*files)
    assert "reached and never struck: nothing" in shown.output
    assert "3 runs: 5 of 5 places reached were struck (100.0 %), 7 kills" in shown.output


def test_a_cell_shows_kills_and_the_reactions_that_followed_most_frequent_first(
    tmp_path: Path,
) -> None:
    shown = invoke(write(tmp_path / "results", FIRST, SECOND))
    table = rows(shown.output)
    assert table["call"] == ["or", "point", "checkpointer", "logger", "backend"]
    assert table["commit-record-flushed"] == ["3", "cs"]
    assert table["fsync"] == ["1", "c", "(8)"]
    assert table["wait"] == ["1", "a"]
    for line in ("c  crash restart: ", "s  started anew: ", "a  replaced alone: "):
        assert line in shown.output
    assert "gave up" not in shown.output, "the legend has what is used"


def test_a_reaction_that_nobody_foresaw_has_a_letter_of_its_own(tmp_path: Path) -> None:
    odd = {
        "reached": {"backend": {"send": 1}, "logger": {"send": 1}},
        "strikes": [strike("backend", "send", "sang"), strike("logger", "send", "danced")],
    }
    shown = invoke(write(tmp_path / "results", FIRST, odd))
    letters = {line.split()[1]: line.split()[0] for line in shown.output.splitlines()
               if line.strip().endswith(("sang", "danced"))}  # fmt: skip
    assert sorted(letters) == ["danced", "sang"]
    assert len({*letters.values(), "c", "s"}) == 4
    assert rows(shown.output)["send"] == ["1", letters["danced"], "1", letters["sang"]]


def test_json_has_every_cell_and_every_gap(tmp_path: Path) -> None:
    shown = invoke("--json", write(tmp_path / "results", FIRST, SECOND, FREE))
    found = json.loads(shown.output)
    assert {key: found[key] for key in ("runs", "unscheduled", "kills", "reached", "struck")} == {
        "runs": 3, "unscheduled": 1, "kills": 5, "reached": 5, "struck": 3,
    }  # fmt: skip
    assert found["percent"] == 60.0
    assert found["never_struck"] == [
        {"role": "checkpointer", "call": "checkpoint-redo-taken"},
        {"role": "backend", "call": "fsync"},
    ]
    [cell] = [one for one in found["cells"] if one["call"] == "commit-record-flushed"]
    assert cell == {
        "role": "backend", "call": "commit-record-flushed", "reached": 30, "by_place": 2,
        "by_hand": 1, "reactions": {"crash restart": 2, "started anew": 1},
    }  # fmt: skip
    assert "pwrite" in found["reached_by_nobody"]
    assert "fsync" not in found["reached_by_nobody"]


def test_results_come_from_standard_input_too(tmp_path: Path) -> None:
    piped = invoke("-", stdin=f"{json.dumps(FIRST)}\n\n{json.dumps(SECOND)}\n".encode())
    assert piped.exit_code == 0
    assert piped.output == invoke(write(tmp_path / "results", FIRST, SECOND)).output


def test_output_that_is_no_terminal_is_one_table_however_wide(tmp_path: Path) -> None:
    wide = {"reached": {role: {"wait": 10**9} for role in ROLES[1:]}, "strikes": []}
    shown = invoke(write(tmp_path / "results", wide))
    heading = [line for line in shown.output.splitlines() if line.startswith("call or point")]
    assert len(heading) == 1
    assert all(role in heading[0] for role in ROLES[1:])
    assert "\x1b" not in shown.output


def test_on_a_narrow_terminal_the_table_comes_in_parts_that_fit() -> None:
    coverage = Coverage()
    everywhere = dict.fromkeys(CALL_NAMES.values(), 10**6)
    coverage.add({"reached": dict.fromkeys(ROLES[1:], everywhere), "strikes": []})
    shown = io.StringIO()
    CoverageReport(Console(width=80, file=shown), 80).show(coverage)
    lines = shown.getvalue().splitlines()
    headings = [line for line in lines if line.startswith("call or point")]
    assert len(headings) > 2
    for role in ROLES[1:]:
        assert sum(f"  {role}  " in f"{line}  " for line in headings) == 1
    table = [line for line in lines if line in headings or line.startswith("commit-")]
    assert max(len(line.rstrip()) for line in table) <= 80
    assert "…" not in shown.getvalue()


def test_runs_that_say_nothing_of_places_are_told_apart(tmp_path: Path) -> None:
    shown = invoke(write(tmp_path / "results", FREE, FREE))
    assert shown.exit_code == 0
    assert shown.output == (
        "2 runs (2 without places: only the baton tells them): no place was reached\n"
    )


NO_RESULTS = {
    "text": (b"seed 1: held\n", "line 1 is not JSON"),
    "bytes": (b"\xff\xfe\x00\n", "line 1 is not JSON"),
    "a number": (b"17\n", "line 1 is no result of a run: it is no JSON object"),
    "another object": (b'{"seed": 1}\n', "line 1 is no result of a run: it has no 'reached'"),
    "half of one": (b'{"reached": {}}\n', "it has no 'strikes'"),
    "bad counts": (
        b'{"reached": {"backend": {"send": "often"}}, "strikes": []}\n',
        "what 'backend' reached is no table of counts",
    ),
    "no counts": (b'{"reached": {"backend": 3}, "strikes": []}\n', "no table of counts"),
    "a bad strike": (
        b'{"reached": {}, "strikes": [{"role": "backend"}]}\n',
        "a strike has no role, call, by, reaction",
    ),
    "nothing": (b"\n\n", "it holds no results; write some with chaos run --json"),
}


@pytest.mark.parametrize("kind", NO_RESULTS)
def test_what_is_no_result_is_wrong_usage_and_says_where(tmp_path: Path, kind: str) -> None:
    content, message = NO_RESULTS[kind]
    path = tmp_path / "results"
    path.write_bytes(content)
    shown = invoke(str(path))
    assert shown.exit_code == 2
    assert f"{path}: " in shown.output
    assert message in shown.output


def test_the_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    shown = invoke(write(tmp_path / "results", FIRST, SECOND, {"seed": 3}))
    assert shown.exit_code == 2
    assert "line 3 is no result of a run" in shown.output


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    shown = invoke(str(tmp_path / "none"))
    assert shown.exit_code == 2
    assert "does not exist" in shown.output
    assert invoke().exit_code == 2
    assert invoke(str(tmp_path)).exit_code == 2


def test_what_chaos_run_prints_is_what_is_read(scratch: Path) -> None:
    status, output, errors = chaos(scratch, "--seed", "3", "--cycles", "2", "--json")
    assert status == 0, errors
    result = json.loads(output)
    shown = json.loads(invoke("--json", "-", stdin=output.encode()).output)
    assert shown["runs"] == 1
    assert shown["kills"] == len(result["strikes"]) > 0
    reached = {(cell["role"], cell["call"]): cell["reached"] for cell in shown["cells"]}
    for role in ("postmaster", "backend", "checkpointer"):
        for call, count in result["reached"][role].items():
            assert reached[role, call] == count


PLACES = st.tuples(st.sampled_from(ROLES[1:]), st.sampled_from(sorted(CALL_NAMES.values())))


@given(st.lists(st.tuples(PLACES, st.booleans())))
def test_what_was_reached_is_either_struck_or_a_gap(visits: list[tuple[Any, bool]]) -> None:
    coverage = Coverage()
    for (role, call), is_struck in visits:
        strikes = [strike(role, call)] if is_struck else []
        coverage.add({"reached": {role: {call: 1}}, "strikes": strikes})
    struck = {place for place, is_struck in visits if is_struck}
    gaps = {(cell.role, cell.call) for cell in coverage.never_struck()}
    assert gaps == {place for place, _ in visits} - struck
    assert coverage.struck == len(struck)
    assert coverage.reached == len(gaps) + len(struck)
    assert coverage.kills == sum(is_struck for _, is_struck in visits)


def test_nothing_is_counted_of_a_record_that_is_refused() -> None:
    coverage = Coverage()
    with pytest.raises(NoResult):
        coverage.add({"reached": {"backend": {"send": 1}, "logger": {"wait": 0}}, "strikes": []})
    assert (coverage.runs, coverage.cells()) == (0, [])
