"""Small files, whole: written, read, and replaced without a moment in between."""

from __future__ import annotations

from pathlib import Path

from engine.host.real import RealHost
from engine.host.whole_file import directory_of, read_file, replace_file, write_file


def test_a_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    host = RealHost(str(tmp_path))
    for content in (b"", b"some", bytes(3_000_000)):
        write_file(host, "file", content)
        assert read_file(host, "file") == content


def test_replacing_leaves_no_temporary_file(tmp_path: Path) -> None:
    host = RealHost(str(tmp_path))
    write_file(host, "file", b"old and long")
    replace_file(host, "file", b"new")
    assert read_file(host, "file") == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_directory_of_a_path() -> None:
    assert directory_of("global/pg_control") == "global"
    assert directory_of("PG_VERSION") == "."
    assert directory_of("/tmp/x") == "/tmp"
    assert directory_of("/x") == "/"
