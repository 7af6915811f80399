"""Where two traces part: the first step that differs is found, whatever it is that differs."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.scheduler.calls import Call
from chaos.scheduler.layout import BLOCK, ENTRY_BYTES
from chaos.trace.difference import first_difference
from chaos.trace.recording import NAMES_FILE, TRACE_FILE, NoRecording, Recording
from tests.chaos.trace.written import BACKEND, Line, beginning, line, write

LONG: list[Line] = [*beginning(), *[line(BACKEND, Call.MUTEX_ACQUIRE, 3)] * (2 * BLOCK)]


def test_a_trace_is_the_same_as_its_copy_in_a_bundle(tmp_path: Path) -> None:
    recording = write(tmp_path / "trace", LONG)
    kept = recording.save(tmp_path)
    assert first_difference(recording, kept) is None
    assert first_difference(recording, Recording.load(tmp_path)) is None
    assert kept.path.stat().st_size < recording.path.stat().st_size / 4


@pytest.mark.parametrize("step", [1, 12, BLOCK - 1, BLOCK, BLOCK + 1, len(LONG)])
@pytest.mark.parametrize("byte", [0, 9, 10, 12, 16, 31])
def test_one_byte_of_any_step_is_found(tmp_path: Path, step: int, byte: int) -> None:
    recording = write(tmp_path / "trace", LONG)
    changed = bytearray(recording.path.read_bytes())
    changed[step * ENTRY_BYTES + byte] ^= 1
    (tmp_path / "other").write_bytes(changed)
    found = first_difference(recording, Recording(tmp_path / "other", recording.names))
    assert found is not None
    assert found.step == step
    assert found.first != found.second
    assert len(found.before) == min(5, step - 1)


def test_both_steps_are_shown_after_what_was_the_same(tmp_path: Path) -> None:
    one = write(tmp_path / "one", [*beginning(), line(BACKEND, Call.FSYNC, 1)])
    other = write(tmp_path / "other", [*beginning(), line(BACKEND, Call.FSYNC, 2)])
    found = first_difference(one, other)
    assert found is not None
    assert found.lines("bundle", "now")[4:] == [
        "                  9     0.000180  backend 1         begin pid 1003",
        "  bundle         10     0.000200  backend 1         fsync pg_wal/000000010000000000000001",
        "  now            10     0.000200  backend 1         fsync base/5/16384",
    ]


def test_the_shorter_trace_is_said_to_have_ended(tmp_path: Path) -> None:
    short = write(tmp_path / "short", LONG[:BLOCK])
    long = write(tmp_path / "long", LONG)
    for one, other in ((short, long), (long, short)):
        found = first_difference(one, other)
        assert found is not None
        assert found.step == BLOCK + 1
        assert ("ended" in found.first, "ended" in found.second) == (one is short, other is short)
        assert len(found.before) == 5


def test_the_same_numbers_for_other_files_are_a_difference(tmp_path: Path) -> None:
    one = write(tmp_path / "one", beginning())
    found = first_difference(one, replace(one, names=(one.names[0], "base/5/16390")))
    assert found is not None
    assert (found.first, found.second) == ("file 2 is base/5/16384", "file 2 is base/5/16390")
    assert first_difference(one, replace(one, names=one.names[:1])) is not None


def cut(path: Path) -> None:
    """The file's second half is lost."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path: Path) -> None:
    """It is another file."""
    path.write_bytes(b"something else")


def flip(path: Path) -> None:
    """One bit of it is another."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x80
    path.write_bytes(content)


def unpack(path: Path) -> None:
    """Nobody has compressed it."""
    path.write_bytes(gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize("name", [TRACE_FILE, NAMES_FILE])
@pytest.mark.parametrize("damage", [cut, flip, spoil, unpack, Path.unlink])
def test_a_recording_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, damage: object
) -> None:
    write(tmp_path / "trace", LONG).save(tmp_path)
    if name == NAMES_FILE and damage is unpack:
        damage = spoil
    assert callable(damage)
    damage(tmp_path / name)
    with pytest.raises(NoRecording, match="no trace can be read"):
        Recording.load(tmp_path)
