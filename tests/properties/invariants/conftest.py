"""A stopped cluster of the engine's with all that there is to be checked, made once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.initdb import initialize
from tests.properties.invariants.doctoring import Cluster
from tests.server import Server

STATEMENTS = (
    # versions of all kinds on one page: untouched, HOT-updated twice, deleted, update rolled back
    "create table versions (id int, v text)",
    "insert into versions values (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,null),(6,'f')",
    "update versions set v = 'bb' where id = 2 or id = 6",
    "update versions set v = 'bbb' where id = 2",
    "delete from versions where id = 3",
    "begin",
    "update versions set v = 'no' where id = 4",
    "rollback",
    "select * from versions",
    # redirects, unused line pointers
    "create table pruned (id int, v text)",
    "insert into pruned values (1,'a'),(2,'b'),(3,'c')",
    "update pruned set v = 'z' where id < 3",
    "delete from pruned where id = 3",
    "vacuum pruned",
    # several pages, a free space map, updates from one page to another
    "create table wide (id int, v text)",
    "insert into wide select i, repeat('x', 700) from generate_series(1, 60) i",
    "delete from wide where id < 12",
    "vacuum wide",
    "update wide set v = v || 'y' where id > 12 and id < 50",
    # frozen
    "create table frozen (id int)",
    "insert into frozen values (1), (2)",
    "set vacuum_freeze_min_age = 0",
    "vacuum frozen",
)


@pytest.fixture(scope="session")
def prepared() -> Iterator[Cluster]:
    """The cluster, to be copied and never changed."""
    directory = Path(tempfile.mkdtemp(prefix="inv"))
    try:
        initialize(str(directory / "data"), wal_segment_mb=1)
        server = Server(directory / "data", directory)
        server.start()
        try:
            connection = server.connect()
            for statement in STATEMENTS:
                connection.execute(statement)
            query = "select relname, relfilenode from pg_class where oid >= 16384"
            rows = connection.execute(query).fetchall()
            assert server.stop() == 0
        finally:
            server.destroy()
        yield Cluster(server.data, {name: f"base/5/{number}" for name, number in rows})
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def cluster(prepared: Cluster, tmp_path: Path) -> Cluster:
    """A copy of it."""
    return prepared.copy(tmp_path / "data")
