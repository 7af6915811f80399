"""How a child ends: what is logged of it, and the status that the postmaster goes by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import FatalError, PanicError, SqlError, SqlState, check
from engine.host.api import ChildExit
from engine.instance import Instance
from engine.processes import child
from engine.shmem.procs import BackendType
from tests.engine.access.heap.heap_cluster import HeapCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[HeapCluster]:
    (tmp_path / "data").mkdir()
    one = HeapCluster(tmp_path / "data", log_line_prefix="")
    yield one
    one.end()


def end_of(cluster: HeapCluster, error: Exception) -> tuple[int | None, list[str]]:
    """The status of a background writer that meets this error, and what it logs."""
    host = cluster.host
    reading, writing = host.pipe()

    def fail(instance: Instance) -> None:
        raise error

    def main() -> None:
        host.redirect_output(writing)
        host.close(writing)
        child.run(host, cluster.shared, cluster.config, BackendType.BACKGROUND_WRITER, fail)

    host.fork("bgwriter", int(BackendType.BACKGROUND_WRITER), main)
    host.close(writing)
    ended: list[ChildExit] = []
    while not ended:
        host.wait(1000)
        ended = host.reap()
    said = host.receive(reading, 65536).decode().splitlines()
    host.close(reading)
    return ended[0].status, said


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (FatalError(SqlState.IO_ERROR, "no use"), 1, "FATAL:  no use"),
        (PanicError(SqlState.IO_ERROR, "the disk"), 2, "PANIC:  the disk"),
        (SqlError(SqlState.IO_ERROR, "left over"), 2, "PANIC:  left over"),
    ],
)
def test_an_operating_error_ends_a_child_with_its_level_and_status(
    cluster: HeapCluster, error: Exception, status: int, said: str
) -> None:
    assert end_of(cluster, error) == (status, [said])


def test_a_broken_invariant_is_a_panic_that_names_it(cluster: HeapCluster) -> None:
    with pytest.raises(Exception, match="BUF-2") as broken:
        check(False, "BUF-2", "not pinned")
    status, said = end_of(cluster, broken.value)
    assert (status, said[0]) == (2, "PANIC:  BUF-2: not pinned")


def test_what_nobody_foresaw_is_one_panic_that_is_the_same_in_every_checkout(
    cluster: HeapCluster,
) -> None:
    status, said = end_of(cluster, LookupError("of no use"))
    assert status == 2
    assert said[0] == "PANIC:  unexpected LookupError: of no use"
    assert said[1].startswith("DETAIL:  engine/processes/child.py:")
    assert said[1].endswith(" in run_in_slot")
    assert said[2].startswith("\ttests/engine/processes/test_child.py:")
    assert said[2].endswith(" in fail")
    assert said[3:] == ["HINT:  This is a bug in the engine."]
