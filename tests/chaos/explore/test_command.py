"""`chaos explore` and `chaos barriers`, as commands."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaos.barriers.searching import Search
from chaos.cli.commands import commands
from chaos.cli.entry import Interrupted
from chaos.cli.progress import Progress
from chaos.history import read_history
from chaos.losses import read_losses

SMALL = ["--transactions", "9", "--jobs", "1"]


def invoke(*words: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(commands, list(words))
    return found.exit_code, found.stdout, found.stderr


def test_a_run_without_a_sync_is_violated_and_leaves_a_bundle_that_can_be_read(
    tmp_path: Path,
) -> None:
    where = "SyncRequests._sync / clog"
    words = ["explore", *SMALL, "--budget", "9", "--without", where, "--out", str(tmp_path)]
    status, said, _ = invoke(*words)
    assert status == 1
    assert "lost: write of clog pg_xact/0000" in said
    assert "engine/storage/slru.py: Slru._write" in said
    again = said.splitlines()[-1]
    assert again.startswith("chaos explore --transactions 9")
    assert where in shlex.split(again)
    (bundle, *_) = sorted(tmp_path.iterdir())
    summary = json.loads((bundle / "summary.json").read_text())
    assert summary["causes"][0]["path"] == "pg_xact/0000"
    assert summary["command"] == again
    (loss,) = read_losses(bundle / "disk.json")["losses"]
    lost = [one for file in loss["files"] for one in file["operations"] if one["fate"] == "lost"]
    assert [one["number"] for one in lost] == [summary["causes"][0]["operation"]]
    assert (bundle / "data-crash" / "global" / "pg_control").exists()
    assert read_history(bundle / "history.jsonl")[-1].f == "audit"
    shown = invoke("disk", "show", str(bundle))
    assert shown[0] == 0
    assert "pg_xact/0000" in shown[1]


def test_what_is_told_as_json_says_what_was_not_checked(tmp_path: Path) -> None:
    """EXPLORE-5."""
    status, said, _ = invoke("explore", *SMALL, "--budget", "1", "--json", "--out", str(tmp_path))
    told = json.loads(said)
    assert status in (0, 3)  # 3: a machine so busy that nothing was checked within a second
    assert told["verdict"] == ("held" if told["checked"] else "not_measured")
    assert told["complete"] == (told["checked"] == told["distinct"])
    assert told["violations"] == []
    assert int(told["legal"]) >= told["enumerated"] >= told["distinct"] >= told["checked"]


def test_interrupted_it_ends_with_130_and_says_what_held_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def press(_self: Progress, what: str, done: int, _of: int, _violating: int) -> None:
        if what == "recovering" and done == 3:
            raise Interrupted

    monkeypatch.setattr(Progress, "tell", press)
    status, said, _ = invoke("explore", *SMALL)
    assert status == 130
    assert "not checked: interrupted" in said
    assert "interrupted; so far held" in said


def test_wrong_usage_is_said_in_a_line() -> None:
    status, _, said = invoke("explore", *SMALL, "--without", "Nothing._of_the_kind")
    assert status == 2
    assert "no sync was made at" in said
    assert "Traceback" not in said
    assert invoke("explore", "--set", "nonsense")[0] == 2
    assert invoke("barriers", "--suite", "nothing")[0] == 2


def test_a_barrier_that_cannot_be_is_refused_before_anything_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Search, "run")
    status, _, said = invoke("barriers", "--only", "xyzzy")
    assert status == 2
    assert "there is no barrier with 'xyzzy' in its 'SITE / FILE'" in said
