"""The catalogs of a new cluster: what a real PostgreSQL 15 has, in the form that it has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.access.heap.tuple import XMIN_FROZEN, tuple_infomask, tuple_xmin
from engine.catalog.bootstrap import bootstrap_catalogs
from engine.catalog.initial_rows import DATABASES
from engine.catalog.relation_map import load_relation_map
from engine.catalog.tables import (
    CATALOGS,
    PG_ATTRIBUTE,
    PG_AUTHID,
    PG_CLASS,
    PG_DATABASE,
    PG_TYPE,
    CatalogTable,
)
from engine.host.real import RealHost
from engine.storage.checksum import verify
from engine.storage.page import item_count, line_pointer, page_lsn
from engine.types import BLOCK_SIZE
from tests.engine.catalog.stored_rows import stored_rows
from tests.postgres import ScratchCluster, scratch_cluster


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with nothing but catalogs."""
    for name in ("global", "base"):
        (tmp_path / name).mkdir()
    bootstrap_catalogs(RealHost(str(tmp_path)), superuser_verifier="SCRAM-SHA-256$4096:x$y:z")
    return tmp_path


@pytest.fixture(scope="module")
def postgres() -> Iterator[ScratchCluster]:
    """A real PostgreSQL 15, shut down cleanly so that its files are complete."""
    with scratch_cluster() as cluster:
        cluster.stop()
        yield cluster


def file_of(data: Path, table: CatalogTable, database: int = 5) -> Path:
    """Where a catalog of a data directory is, ours or PostgreSQL's."""
    number = table.oid
    if table.mapped:
        number = load_relation_map(RealHost(str(data)), 0 if table.shared else database)[table.oid]
    directory = data / "global" if table.shared else data / "base" / str(database)
    return directory / str(number)


def without_privileges(row: Any) -> dict[str, Any]:
    """A row's fields, but what differs for a stated reason: privileges, and what VACUUM keeps."""
    differs = ("acl", "relpages", "reltuples", "relallvisible", "frozenxid", "minmxid")
    fields = row._asdict()
    return {name: value for name, value in fields.items() if not name.endswith(differs)}


@pytest.mark.parametrize("table", [PG_TYPE, PG_ATTRIBUTE], ids=lambda table: table.name)
def test_rows_are_those_of_a_real_postgresql(
    table: CatalogTable, data: Path, postgres: ScratchCluster
) -> None:
    theirs = {row[:2]: row for row in stored_rows(file_of(postgres.data, table), table)}
    ours = stored_rows(file_of(data, table), table)
    assert len(ours) > 150
    for row in ours:
        assert without_privileges(row) == without_privileges(theirs[row[:2]])


def test_catalogs_describe_themselves_as_in_a_real_postgresql_but_for_indexes_and_toast(
    data: Path, postgres: ScratchCluster
) -> None:
    theirs = {row.oid: row for row in stored_rows(file_of(postgres.data, PG_CLASS), PG_CLASS)}
    for row in stored_rows(file_of(data, PG_CLASS), PG_CLASS):
        expected = theirs[row.oid]._replace(relhasindex=False, reltoastrelid=0)
        assert without_privileges(row) == without_privileges(expected)


def test_databases_and_the_superuser_are_those_of_a_real_postgresql(
    data: Path, postgres: ScratchCluster
) -> None:
    for table in (PG_DATABASE, PG_AUTHID):
        theirs = {row.oid: row for row in stored_rows(file_of(postgres.data, table), table)}
        for row in stored_rows(file_of(data, table), table):
            expected = theirs[row.oid]
            if table is PG_AUTHID:
                assert row.rolpassword == "SCRAM-SHA-256$4096:x$y:z"
                row = row._replace(rolpassword=None)
            assert without_privileges(row) == without_privileges(expected)


def test_every_page_has_a_right_checksum_and_an_lsn_before_any_redo_point(data: Path) -> None:
    for table in CATALOGS:
        content = file_of(data, table).read_bytes()
        assert content
        for block, start in enumerate(range(0, len(content), BLOCK_SIZE)):
            page = content[start : start + BLOCK_SIZE]
            assert verify(page, block)
            assert page_lsn(page) == 0


def test_every_tuple_is_frozen(data: Path) -> None:
    page = file_of(data, PG_CLASS).read_bytes()[:BLOCK_SIZE]
    for number in range(1, item_count(page) + 1):
        offset, _, _ = line_pointer(page, number)
        assert tuple_infomask(page, offset) & XMIN_FROZEN == XMIN_FROZEN
        assert tuple_xmin(page, offset) == 1


def test_all_databases_have_the_same_catalogs(data: Path) -> None:
    contents = [
        {path.name: path.read_bytes() for path in sorted((data / "base" / str(row.oid)).iterdir())}
        for row in DATABASES
    ]
    assert contents[0] == contents[1] == contents[2]
    assert contents[0]["PG_VERSION"] == b"15\n"
