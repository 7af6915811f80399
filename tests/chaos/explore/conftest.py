"""Crash images of a small cluster, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.disk.image import Image
from chaos.explore.recovery import Recoverer
from chaos.host.alone import AloneHost
from engine.cli.initdb import initialize
from engine.processes.single_user import SingleUser
from tests.chaos.explore.clusters import AUDIT, Cluster

SHOWN = "/world/data"
SETTINGS = """\
shared_buffers = 128kB
max_connections = 20
logging_collector = off
log_line_prefix = ''
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    data = tmp_path_factory.mktemp("cluster") / "data"
    initialize(str(data), wal_segment_mb=1)
    with (data / "postgresql.conf").open("a") as file:
        file.write(SETTINGS)
    process = SingleUser(AloneHost(str(data), SHOWN), SHOWN)
    process.start("postgres")
    process.execute("CREATE TABLE t (a integer, b text)")
    process.execute("CHECKPOINT")
    images = [_image(data)]
    for number in range(1, 13):
        process.execute("BEGIN")
        process.execute(f"INSERT INTO t VALUES ({number}, '{'x' * 900}')")
        process.execute(f"UPDATE t SET b = 'changed' WHERE a = {number - 1}")
        process.execute("COMMIT")
        if number == 8:
            process.execute("CHECKPOINT")
        images.append(_image(data))
    return Cluster(tuple(images))


def _image(data: Path) -> Image:
    return Image.read(data)


@pytest.fixture(scope="module")
def recoverer(cluster: Cluster) -> Iterator[Recoverer]:
    with Recoverer(cluster.base, AUDIT) as one:
        assert one.warm_up.ok
        yield one
