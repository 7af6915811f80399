"""The cluster that every script gets a copy of."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.initdb import initialize
from tests.server import Server


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as initdb leaves it, with 1 MB segments."""
    path = tmp_path_factory.mktemp("template") / "data"
    initialize(str(path), wal_segment_mb=1, password="secret")
    return path


@pytest.fixture
def server(template: Path) -> Iterator[Server]:
    """A server that has not been started. Its path is short enough for a socket."""
    directory = Path(tempfile.mkdtemp(prefix="eng"))
    server = Server.from_template(template, directory)
    yield server
    server.destroy()
    shutil.rmtree(directory)
