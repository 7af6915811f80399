"""The JSON for Perfetto: a lane per process, slices that do not overlap, deaths marked."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from io import StringIO
from pathlib import Path
from typing import Any

from chaos.scheduler.calls import Call
from chaos.scheduler.layout import TICK_US
from chaos.trace.files import perfetto_path, write_trace
from chaos.trace.perfetto import write_perfetto
from tests.chaos.trace.written import BACKEND, CONTROLLER, beginning, line, write

STEPS = [
    *beginning(),
    line(BACKEND, Call.MUTEX_ACQUIRE, 3),
    line(BACKEND, Call.FSYNC, 1),
    line(BACKEND, "commit-record-flushed", 0x15018A0),
    line(BACKEND, Call.DEATH, 1003, -9, then=CONTROLLER),
    line(CONTROLLER, Call.WAIT, 5000),
]


def events(tmp_path: Path, *, is_long: bool = False) -> list[dict[str, Any]]:
    """The events of the trace of these steps."""
    file = StringIO()
    write_perfetto(file, write(tmp_path / "trace", STEPS), is_long=is_long)
    found: list[dict[str, Any]] = json.loads(file.getvalue())["traceEvents"]
    return found


def test_each_process_has_a_lane_with_its_name(tmp_path: Path) -> None:
    lanes = {event["tid"]: event["args"]["name"] for event in events(tmp_path)
             if event["name"] == "thread_name"}  # fmt: skip
    names = {1001: "controller", 1002: "postmaster 1", 1003: "backend 1", 1004: "backend 2"}
    assert lanes == names


def test_turns_follow_each_other_and_hold_their_calls(tmp_path: Path) -> None:
    found = [event for event in events(tmp_path) if event["ph"] == "X"]
    turns = sorted((e["ts"], e["ts"] + e["dur"], e["tid"]) for e in found if e["name"] == "turn")
    assert [lane for _, _, lane in turns] == [1001, 1002, 1004, 1002, 1003, 1001]
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(turns))
    for call in [event for event in found if event["name"] != "turn"]:
        assert call["dur"] == TICK_US
        assert any(
            began <= call["ts"] and call["ts"] + TICK_US <= ended and lane == call["tid"]
            for began, ended, lane in turns
        )


def test_births_deaths_and_points_are_instants(tmp_path: Path) -> None:
    instants = defaultdict(list)
    for event in events(tmp_path):
        if event["ph"] == "i":
            instants[event["tid"]].append(event["name"])
    assert instants[1003] == ["begin pid 1003", "commit-record-flushed 0/15018A0", "death by KILL"]


def test_a_long_trace_is_shown_without_details(tmp_path: Path) -> None:
    short = [event["name"] for event in events(tmp_path)]
    long = [event["name"] for event in events(tmp_path, is_long=True)]
    assert "mutex_acquire" in short
    assert "mutex_acquire" not in long
    for name in ("fsync", "turn", "death by KILL", "commit-record-flushed 0/15018A0"):
        assert name in long


def test_text_and_json_lie_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "steps.txt"
    write_trace(path, write(tmp_path / "trace", STEPS))
    assert len(path.read_text().splitlines()) == 1 + len(STEPS)
    assert json.loads(perfetto_path(path).read_text())["traceEvents"]
    assert perfetto_path(path).name == "steps.txt.perfetto.json"
