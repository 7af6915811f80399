"""A step is a line that says who did what, with names in place of numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.scheduler.calls import CALL_NAMES, Call
from chaos.trace.text import HEAD, lines_to, text_lines
from tests.chaos.trace.written import BACKEND, CONTROLLER, POSTMASTER, Line, beginning, line, write


def told(tmp_path: Path, *lines: Line) -> list[str]:
    """What is told of these steps, after the usual beginning: process and call."""
    recording = write(tmp_path / "trace", [*beginning(), *lines])
    return [text[24:] for text in text_lines(recording)][len(beginning()) + 1 :]


def test_lines_have_number_time_process_and_call(tmp_path: Path) -> None:
    assert list(text_lines(write(tmp_path / "trace", beginning()))) == [
        HEAD,
        "        1     0.000020  controller        begin pid 1001",
        "        2     0.000040  controller        wait 5 ms  -> postmaster 1",
        "        3     0.000060  postmaster 1      begin pid 1002",
        "        4     0.000080  postmaster 1      fork backend",
        "        5     0.000100  postmaster 1      child-forked backend 1",
        "        6     0.000120  postmaster 1      fork backend  -> backend 2",
        "        7     0.000140  backend 2         begin pid 1004  -> postmaster 1",
        "        8     0.000160  postmaster 1      child-forked backend 2  -> backend 1",
        "        9     0.000180  backend 1         begin pid 1003",
    ]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (line(2, Call.PWRITE, 1, 8192, 0x1A2B3C4D),
         "pwrite pg_wal/000000010000000000000001 @8192 crc 1a2b3c4d"),
        (line(2, Call.PREAD, 2, 16384, 8192), "pread base/5/16384 @16384 8192 bytes"),
        (line(2, Call.OPEN, 2, 0), "open base/5/16384 to read"),
        (line(2, Call.OPEN, 2, 3), "open base/5/16384 to write create"),
        (line(2, Call.CLOSE, 0), "close ?"),
        (line(2, Call.FSYNC, 3), "fsync ?"),
        (line(2, Call.RENAME, 2, 1), "rename base/5/16384 to pg_wal/000000010000000000000001"),
        (line(2, Call.TRUNCATE, 2, 0), "truncate base/5/16384 to 0 bytes"),
        (line(2, Call.SEND, 3, 14, 7), "send channel 3, 14 bytes crc 00000007"),
        (line(2, Call.WAIT, 200_000, 2 << 8 | 1), "wait 200 ms, 2 to read, 1 to write"),
        (line(2, Call.WAIT, -1), "wait without end"),
        (line(2, Call.WAKE, 8), "wake latch 8 of backend 2"),
        (line(2, Call.WAKE, 0), "wake latch 0 of postmaster 1"),
        (line(2, Call.WAKE, 30), "wake latch 30"),
        (line(2, Call.SIGNAL, 1004, 15), "signal TERM to backend 2"),
        (line(2, Call.SIGNAL, 1099, 9), "signal KILL to process 1099"),
        (line(2, Call.TAKE_SIGNALS, 1 << 1 | 1 << 17), "take_signals HUP CHLD"),
        (line(2, Call.EXIT, 2), "exit status 2"),
        (line(2, "commit-record-flushed", 0x1_015018A0), "commit-record-flushed 1/15018A0"),
        (line(2, "wal-record-copied", 0x15018A0), "wal-record-copied 0/15018A0"),
        (line(2, "buffer-written", 12), "buffer-written block 12"),
        (line(2, "lock-wait-queued"), "lock-wait-queued"),
        (line(2, Call.DEATH, 1003, -9), "death by KILL"),
        (line(2, Call.DEATH, 1003, 1, then=CONTROLLER), "death exit status 1  -> controller"),
    ],
)  # fmt: skip
def test_arguments_are_told_by_their_names(tmp_path: Path, step: Line, said: str) -> None:
    assert told(tmp_path, step) == [f"backend 1         {said}"]


def test_every_call_and_point_can_be_told(tmp_path: Path) -> None:
    lines = told(tmp_path, *(line(BACKEND, call, 3, 5, 7) for call in CALL_NAMES))
    for name, text in zip(CALL_NAMES.values(), lines, strict=True):
        assert text[18:].startswith(name)


def test_a_slot_is_whose_turn_it_is_now(tmp_path: Path) -> None:
    """A new process in the slot of a dead one, and one that died before it had any turn."""
    lines = told(
        tmp_path,
        line(BACKEND, Call.DEATH, 1003, -9, then=POSTMASTER),
        line(POSTMASTER, Call.FORK, 3, 4),
        line(POSTMASTER, "child-forked", 1005),
        line(BACKEND, Call.DEATH, 1005, -9),
        line(POSTMASTER, Call.WAIT, -1, then=BACKEND),
        line(BACKEND, Call.BEGIN, 1006, 7),
    )
    assert [text[:18].rstrip() for text in lines] == [
        "backend 1",
        "postmaster 1",
        "postmaster 1",
        "checkpointer 1",
        "postmaster 1",
        "backend 3",
    ]
    assert lines[-2].endswith("-> backend 3")


def test_lines_up_to_a_step_end_with_it(tmp_path: Path) -> None:
    recording = write(tmp_path / "trace", beginning())
    assert lines_to(recording, 6, 3) == list(text_lines(recording))[4:7]
    assert lines_to(recording, 99, 3) == []
