"""Paths under the baton: the run's directory is `/world`, wherever it is (BATON-2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.host import BatonHost
from engine.host.api import OpenMode
from tests.chaos.stage import Stage

NEW = OpenMode.WRITE | OpenMode.CREATE


def test_world_is_the_runs_directory_and_relative_paths_lie_in_its_data(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.make_directory("/world/logs")
        for path in ("/world/logs/one", "two", "/world/data/three"):
            host.close(host.open(path, NEW))
        assert {"data", "logs"} <= set(host.list_directory("/world"))
        assert host.list_directory(".") == host.list_directory("/world/data") == ["three", "two"]
        host.rename("two", "/world/logs/two")

    stage.play(scene)
    assert sorted(path.name for path in (stage.directory / "logs").iterdir()) == ["one", "two"]
    assert stage.world.names()[:3] == ["/world/logs", "/world/logs/one", "two"]


@pytest.mark.parametrize("path", ["/worldly", "/proc/self/stat"])
def test_other_paths_are_the_systems(stage: Stage, path: str) -> None:
    def scene(host: BatonHost) -> None:
        assert (host.stat(path) is not None) == path.startswith("/proc")

    stage.play(scene)


FAILURES: dict[str, tuple[Callable[[BatonHost], object], list[str | None]]] = {
    "open": (lambda host: host.open("no"), ["/world/data/no", None]),
    "open absolute": (lambda host: host.open("/world/no"), ["/world/no", None]),
    "rename": (lambda host: host.rename("no", "other"), ["/world/data/no", "/world/data/other"]),
    "unlink": (lambda host: host.unlink("no"), ["/world/data/no", None]),
    "make_directory": (lambda host: host.make_directory("no/no"), ["/world/data/no/no", None]),
    "list_directory": (lambda host: host.list_directory("no"), ["/world/data/no", None]),
    "fsync_directory": (lambda host: host.fsync_directory("no"), ["/world/data/no", None]),
    "lock_file": (lambda host: host.lock_file("no/no"), ["/world/data/no/no", None]),
    "elsewhere": (lambda host: host.open("/proc/no"), ["/proc/no", None]),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_error_names_the_path_as_the_engine_has_it(stage: Stage, failure: str) -> None:
    """A message of the engine's may quote it, and what is logged is in the digest."""
    act, expected = FAILURES[failure]

    def scene(host: BatonHost) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            act(host)
        assert [caught.value.filename, caught.value.filename2] == expected
        assert str(stage.directory) not in str(caught.value)

    stage.play(scene)


def test_what_a_socket_is_called_is_below_the_runs_directory_too(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.listen_unix("/world/.s")
        with pytest.raises(OSError, match="Address already in use") as caught:
            host.listen_unix("/world/.s")
        assert str(stage.directory) not in str(caught.value)

    stage.play(scene)
    assert (stage.directory / ".s").is_socket()


def test_there_is_no_tcp(stage: Stage) -> None:
    """BATON-1: what the kernel carries over it arrives when it arrives."""

    def scene(host: BatonHost) -> None:
        with pytest.raises(OSError, match="there is no TCP under the baton"):
            host.listen_tcp("127.0.0.1", 5432)

    stage.play(scene)
