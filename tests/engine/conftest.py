"""Fixtures of the engine's tests: a fresh server, from a cluster that is created once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.initdb import initialize
from engine.host.real import RealHost
from tests.server import Server


@pytest.fixture(autouse=True)
def _hosts_are_let_go(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each world of latches has a hundred descriptors: close them with the test that made it."""
    made: list[RealHost] = []
    construct = RealHost.__init__

    def remember(host: RealHost, root: str = ".") -> None:
        construct(host, root)
        made.append(host)

    monkeypatch.setattr(RealHost, "__init__", remember)
    yield
    for host in made:
        host.let_go()


@pytest.fixture(scope="session")
def cluster_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as initdb leaves it, with 1 MB segments; to be copied, never used."""
    path = tmp_path_factory.mktemp("template") / "data"
    initialize(str(path), wal_segment_mb=1, password="secret")
    return path


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a Unix socket."""
    path = Path(tempfile.mkdtemp(prefix="eng"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def stopped_server(cluster_template: Path, short_directory: Path) -> Iterator[Server]:
    """A server that is not running yet."""
    server = Server.from_template(cluster_template, short_directory)
    yield server
    server.destroy()


@pytest.fixture
def server(stopped_server: Server) -> Server:
    """A server that accepts connections."""
    stopped_server.start()
    return stopped_server
