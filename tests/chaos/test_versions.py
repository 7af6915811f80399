"""What a run depends on is told, and told apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from chaos.versions import changes, source_digest, versions


def write_package(directory: Path, text: str) -> None:
    """A package of two files."""
    package = directory / "sample_of_sources"
    (package / "below").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "below" / "module.py").write_text(text)


def digest_in(directory: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of that package, when it lies there."""
    write_package(directory, text)
    monkeypatch.setattr(sys, "path", [str(directory)])
    return source_digest("sample_of_sources")


def test_sources_are_known_by_their_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = digest_in(tmp_path / "here", "x = 1\n", monkeypatch)
    there = digest_in(tmp_path / "there", "x = 1\n", monkeypatch)
    changed = digest_in(tmp_path / "changed", "x = 2\n", monkeypatch)
    assert here == there != changed
    assert source_digest("no_such_package_anywhere") == ""


def test_nothing_has_changed_between_two_looks() -> None:
    assert changes(json.loads(json.dumps(versions())), versions()) == []


def test_each_change_is_a_line() -> None:
    before = {"python": "CPython 3.11.2", "sources": {"engine": "aa", "chaos": "bb"}}
    now = {"python": "CPython 3.12.0", "sources": {"engine": "aa", "chaos": "cc"}, "libc": "2"}
    assert changes(before, now) == [
        "python: CPython 3.11.2, now CPython 3.12.0",
        "sources: chaos: bb, now cc",
        "libc: none, now 2",
    ]
