"""Lookups, DDL in the catalogs, and forgetting in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalog.tables import CATALOGS, PG_ATTRIBUTE, PG_CLASS, PG_TYPE, ColumnDefinition
from engine.errors import SqlError
from engine.types import RelFileLocator, RelFork
from tests.engine.catalog.memory_services import MemoryServices

COLUMNS = (
    ColumnDefinition("id", 23, not_null=True),
    ColumnDefinition("note", 25),
    ColumnDefinition("code", 1043, typmod=14),
)


@pytest.fixture
def services(tmp_path: Path) -> MemoryServices:
    """A catalog of a new cluster."""
    return MemoryServices(tmp_path)


def test_a_created_table_is_found_by_name_and_by_oid(services: MemoryServices) -> None:
    catalog = services.catalog
    oid = catalog.create_relation(None, "account", COLUMNS, 70)
    relation = catalog.relation_by_name(None, "account")
    assert relation is not None
    assert relation is catalog.relation_by_oid(oid)
    assert relation is catalog.relation_by_name("public", "account")
    assert relation.oid == oid == 16384
    assert relation.locator == RelFileLocator(1663, 5, oid)
    assert relation.fillfactor == 70
    names = [(column.name, column.type_oid) for column in relation.descriptor.attributes]
    assert names == [("id", 23), ("note", 25), ("code", 1043)]
    assert [column.not_null for column in relation.descriptor.attributes] == [True, False, False]
    assert relation.descriptor.attributes[2].typmod == 14


def test_a_created_table_has_a_row_type_and_an_array_type(services: MemoryServices) -> None:
    catalog = services.catalog
    catalog.create_relation(None, "account", COLUMNS)
    composite, array = catalog.type_by_name(None, "account"), catalog.type_by_name(None, "_account")
    assert composite is not None
    assert array is not None
    assert (composite.typrelid, composite.typarray, array.typelem) == (
        16384,
        array.oid,
        composite.oid,
    )
    assert catalog.type_by_oid(composite.oid) == composite


def test_an_array_type_yields_its_name_when_it_is_taken(services: MemoryServices) -> None:
    catalog = services.catalog
    catalog.create_relation(None, "_account", COLUMNS)
    catalog.create_relation(None, "account", COLUMNS)
    own = catalog.type_by_name(None, "_account")
    array = catalog.type_by_name(None, "___account")
    assert own is not None
    assert own.typtype == "c"
    assert array is not None
    assert array.typcategory == "A"


def test_the_file_is_made_logged_and_removed_on_abort(services: MemoryServices) -> None:
    oid = services.catalog.create_relation(None, "account", COLUMNS)
    locator = RelFileLocator(1663, 5, oid)
    assert services.smgr.exists(locator, RelFork.MAIN)
    assert services.transactions.drops == [(locator, False)]
    assert services.wal.records == [(2, 0x11, bytes.fromhex("7f060000 05000000 00400000 00000000"))]


def test_a_file_that_a_crash_left_behind_is_not_used(services: MemoryServices) -> None:
    services.smgr.files.add(RelFileLocator(1663, 5, 16384))
    assert services.catalog.create_relation(None, "account", COLUMNS) == 16385


def test_a_dropped_table_leaves_no_row_and_its_file_goes_with_the_commit(
    services: MemoryServices,
) -> None:
    catalog = services.catalog
    relations = catalog._rows.relations
    before = {table: dict(services.heap.rows[relations[table].locator]) for table in CATALOGS}
    catalog.create_relation(None, "account", COLUMNS)
    relation = catalog.relation_by_name(None, "account")
    assert relation is not None
    for table in (PG_CLASS, PG_ATTRIBUTE, PG_TYPE):
        assert services.heap.rows[relations[table].locator] != before[table]
    catalog.drop_relation(relation)
    assert catalog.relation_by_name(None, "account") is None
    assert services.transactions.drops[-1] == (relation.locator, True)
    for table in CATALOGS:
        assert services.heap.rows[relations[table].locator] == before[table]


@pytest.mark.parametrize(
    ("schema", "name", "columns", "sqlstate"),
    [
        (None, "taken", COLUMNS, "42P07"),
        ("nowhere", "account", COLUMNS, "3F000"),
        ("pg_catalog", "account", COLUMNS, "42501"),
        (None, "account", (*COLUMNS, ColumnDefinition("id", 25)), "42701"),
        (None, "account", (ColumnDefinition("xmin", 23),), "42701"),
        (None, "account", (ColumnDefinition("any", 2276),), "42P16"),
        (None, "account", [ColumnDefinition(f"c{n}", 23) for n in range(1601)], "54011"),
    ],
)
def test_a_table_that_cannot_be_is_refused_and_leaves_nothing(
    services: MemoryServices,
    schema: str | None,
    name: str,
    columns: list[ColumnDefinition],
    sqlstate: str,
) -> None:
    services.catalog.create_relation(None, "taken", COLUMNS)
    files = set(services.smgr.files)
    with pytest.raises(SqlError) as caught:
        services.catalog.create_relation(schema, name, columns)
    assert caught.value.sqlstate == sqlstate
    assert services.smgr.files == files


def test_a_system_catalog_cannot_be_dropped(services: MemoryServices) -> None:
    relation = services.catalog.relation_by_name(None, "pg_class")
    assert relation is not None
    with pytest.raises(SqlError, match='permission denied: "pg_class" is a system catalog'):
        services.catalog.drop_relation(relation)


def test_catalogs_are_found_without_reading_anything(services: MemoryServices) -> None:
    services.heap.rows.clear()
    for table in CATALOGS:
        relation = services.catalog.relation_by_name("pg_catalog", table.name)
        assert relation is not None
        assert relation.oid == table.oid
        assert services.catalog.relation_by_oid(table.oid) is relation
    assert services.catalog.type_by_name(None, "int4") == services.catalog.type_by_oid(23)
    assert services.catalog.schema_name(2200) == "public"


def test_creating_takes_a_lock_on_the_name(services: MemoryServices) -> None:
    services.catalog.create_relation(None, "account", COLUMNS)
    services.catalog.create_relation(None, "other", COLUMNS)
    first, second = services.lock_table.taken
    assert first != second


def test_another_session_forgets_when_the_generation_advances(services: MemoryServices) -> None:
    mine, theirs = services.catalog, services.new_catalog()
    mine.create_relation(None, "account", COLUMNS)
    services.end_transaction(is_commit=True)
    theirs.accept_invalidations()
    relation = theirs.relation_by_name(None, "account")
    assert relation is not None
    seen = theirs.generation
    mine.drop_relation(relation)
    theirs.accept_invalidations()
    assert theirs.relation_by_name(None, "account") is relation
    assert theirs.generation == seen
    services.end_transaction(is_commit=True)
    theirs.accept_invalidations()
    assert theirs.relation_by_name(None, "account") is None
    assert theirs.generation != seen


def test_a_session_forgets_its_own_change_when_it_is_rolled_back(services: MemoryServices) -> None:
    catalog = services.catalog
    saved = {locator: dict(rows) for locator, rows in services.heap.rows.items()}
    catalog.create_relation(None, "account", COLUMNS)
    assert catalog.relation_by_name(None, "account") is not None
    services.heap.rows = saved
    services.end_transaction(is_commit=False)
    assert catalog.relation_by_name(None, "account") is None


def test_missing_columns_are_noticed(services: MemoryServices) -> None:
    catalog = services.catalog
    oid = catalog.create_relation(None, "account", COLUMNS)
    columns = services.heap.rows[catalog._rows.relations[PG_ATTRIBUTE].locator]
    lost = next(tid for tid, row in columns.items() if row[0] == oid and row[5] == 2)
    del columns[lost]
    message = "pg_attribute catalog is missing 1 attribute.s. for relation OID 16384"
    with pytest.raises(SqlError, match=message):
        catalog.relation_by_name(None, "account")


def test_databases_and_roles_are_found(services: MemoryServices) -> None:
    database = services.catalog.database_by_name("template0")
    assert database is not None
    assert not database.datallowconn
    assert services.catalog.database_by_name("nosuch") is None
    role = services.catalog.role_by_name("postgres")
    assert role is not None
    assert role.rolsuper
    assert [relation.name for relation in services.catalog.all_relations()] == [
        table.name for table in sorted(CATALOGS, key=lambda table: table.oid)
    ]


def test_without_a_database_the_shared_catalogs_are_there(services: MemoryServices) -> None:
    catalog = services.new_catalog(database=0)
    assert catalog.role_by_name("postgres") is not None
    assert catalog.database_by_name("postgres") is not None
