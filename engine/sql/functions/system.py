"""Functions that ask the session or the server: clocks, ids, WAL positions, settings.

Each gets the session's `Services` as first argument.
"""

from __future__ import annotations

from typing import Any, Final

from engine.config.definitions import SERVER_VERSION
from engine.errors import Notice, SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.functions.entries import Function
from engine.sql.functions.strings import quote_identifier
from engine.sql.services import Services

VERSION: Final = (
    f"PostgreSQL {SERVER_VERSION} (engine in Python) on any-linux, compiled by Python 3, 64-bit"
)
PUBLIC_SCHEMA: Final = "public"
SLEEP_SLICE_MS: Final = 1000.0
_UTF8: Final = 6
_SUPERUSER_OID: Final = 10


def _version(_: Services) -> str:
    return VERSION


def _backend_pid(services: Services) -> int:
    return services.identity.pid


def _sleep(services: Services, seconds: float) -> str:
    clock = services.clock
    deadline = clock.monotonic_us() + max(0, int(min(seconds, 1e9) * 1_000_000))
    while True:
        services.interrupts.check()
        left = deadline - clock.monotonic_us()
        if left <= 0:
            return ""
        clock.wait(min(left / 1000, SLEEP_SLICE_MS))


def _now(services: Services) -> int:
    return services.transactions.transaction_timestamp


def _statement_timestamp(services: Services) -> int:
    return services.transactions.statement_timestamp


def _clock_timestamp(services: Services) -> int:
    return services.clock.now_us()


def _current_xid(services: Services) -> int:
    return services.cluster.full_xid(services.transactions.current_xid())


def _current_xid_if_assigned(services: Services) -> int | None:
    xid = services.transactions.current_xid_if_assigned()
    return services.cluster.full_xid(xid) if xid else None


def _current_setting(services: Services, name: str, missing_ok: bool = False) -> str | None:
    try:
        return services.settings.show(name)
    except SqlError:
        if missing_ok:
            return None
        raise


def _set_config(services: Services, name: Any, value: Any, is_local: Any) -> str | None:
    if name is None:
        raise SqlError(SqlState.NULL_VALUE_NOT_ALLOWED, "SET requires parameter name")
    if value is None:
        services.settings.reset(name)
    else:
        services.settings.set(name, value, local=bool(is_local))
    return services.settings.show(name)


def _current_database(services: Services) -> str:
    return services.identity.database


def _current_schema(_: Services) -> str:
    return PUBLIC_SCHEMA


def _current_user(services: Services) -> str:
    return services.identity.user


def _random(services: Services) -> float:
    return (int.from_bytes(services.clock.random_bytes(8), "little") >> 11) / float(1 << 53)


def _is_in_recovery(services: Services) -> bool:
    return services.cluster.is_in_recovery()


def _wal_written(services: Services) -> int:
    _refuse_in_recovery(services)
    return services.cluster.wal_written_lsn()


def _wal_inserted(services: Services) -> int:
    _refuse_in_recovery(services)
    return services.cluster.wal_insert_lsn()


def _wal_flushed(services: Services) -> int:
    _refuse_in_recovery(services)
    return services.cluster.wal_flushed_lsn()


def _refuse_in_recovery(services: Services) -> None:
    if services.cluster.is_in_recovery():
        raise SqlError(
            SqlState.OBJECT_NOT_IN_PREREQUISITE_STATE,
            "recovery is in progress",
            hint="WAL control functions cannot be executed during recovery.",
        )


def _signal(services: Services, pid: int, *, terminate: bool) -> bool:
    if services.cluster.signal_backend(pid, terminate=terminate):
        return True
    services.notices(
        Notice("WARNING", SqlState.WARNING, f"PID {pid} is not a PostgreSQL server process")
    )
    return False


def _cancel_backend(services: Services, pid: int) -> bool:
    return _signal(services, pid, terminate=False)


def _terminate_backend(services: Services, pid: int, _: int = 0) -> bool:
    return _signal(services, pid, terminate=True)


def _start_time(services: Services) -> int:
    return services.cluster.start_time_us


def _user_by_id(services: Services, oid: int) -> str:
    if oid == _SUPERUSER_OID:
        return "postgres"
    if oid == services.identity.user_oid:
        return services.identity.user
    return f"unknown (OID={oid})"


def _table_is_visible(services: Services, oid: int) -> bool | None:
    relation = services.catalog.relation_by_oid(oid)
    if relation is None:
        return None
    found = services.catalog.relation_by_name(None, relation.name)
    return found is not None and found.oid == oid


def _format_type(_: Services, oid: int | None, typmod: int | None) -> str | None:
    if oid is None:
        return None
    if oid in t.BY_OID:
        shown = t.type_display(oid, -1 if typmod is None else typmod)
        return "character" if shown == "bpchar" and typmod is not None else shown
    return "-" if oid == 0 else "???"


def relation_text(services: Services, oid: int) -> str:
    """`regclassout`: the relation's name, with its schema if it is not found without."""
    relation = services.catalog.relation_by_oid(oid)
    if relation is None:
        return str(oid) if oid else "-"
    name = quote_identifier(relation.name)
    if _table_is_visible(services, oid):
        return name
    schema = services.catalog.schema_name(relation.schema_oid)
    return f"{quote_identifier(schema or '')}.{name}"


def schema_text(services: Services, oid: int) -> str:
    """`regnamespaceout`."""
    return services.catalog.schema_name(oid) or (str(oid) if oid else "-")


def _encoding_name(_: Services, encoding: int) -> str:
    return "UTF8" if encoding == _UTF8 else ""


def _to_regclass(services: Services, name: str) -> int | None:
    schema, _, last = name.rpartition(".")
    relation = services.catalog.relation_by_name(schema or None, last)
    return None if relation is None else relation.oid


def _to_regtype(_: Services, name: str) -> int | None:
    info = t.BY_NAME.get(name) or t.BY_DISPLAY.get(name)
    return None if info is None else info.oid


def _nothing(_: Services) -> str:
    return ""


def _no_description(*_: Any) -> None:
    return None


def _function(
    oid: int,
    name: str,
    arguments: tuple[int, ...],
    result: int,
    implementation: Any,
    strict: bool = True,
) -> Function:
    return Function(
        oid, name, arguments, result, implementation, strict, immutable=False, needs_context=True
    )


OID_NAMES: Final = {
    t.REGCLASS: _function(2219, "regclassout", (t.REGCLASS,), t.TEXT, relation_text),
    t.REGNAMESPACE: _function(4087, "regnamespaceout", (t.REGNAMESPACE,), t.TEXT, schema_text),
}
"""The text of oids that stand for names in the catalog."""

FUNCTIONS: Final = (
    _function(89, "version", (), t.TEXT, _version),
    _function(2026, "pg_backend_pid", (), t.INT4, _backend_pid),
    _function(2626, "pg_sleep", (t.FLOAT8,), t.VOID, _sleep),
    _function(1299, "now", (), t.TIMESTAMPTZ, _now),
    _function(2647, "transaction_timestamp", (), t.TIMESTAMPTZ, _now),
    _function(2648, "statement_timestamp", (), t.TIMESTAMPTZ, _statement_timestamp),
    _function(2649, "clock_timestamp", (), t.TIMESTAMPTZ, _clock_timestamp),
    _function(2943, "txid_current", (), t.INT8, _current_xid),
    _function(3348, "txid_current_if_assigned", (), t.INT8, _current_xid_if_assigned),
    _function(5059, "pg_current_xact_id", (), t.XID8, _current_xid),
    _function(5060, "pg_current_xact_id_if_assigned", (), t.XID8, _current_xid_if_assigned),
    _function(2077, "current_setting", (t.TEXT,), t.TEXT, _current_setting),
    _function(3294, "current_setting", (t.TEXT, t.BOOL), t.TEXT, _current_setting),
    _function(2078, "set_config", (t.TEXT, t.TEXT, t.BOOL), t.TEXT, _set_config, False),
    _function(861, "current_database", (), t.NAME, _current_database),
    _function(1402, "current_schema", (), t.NAME, _current_schema),
    _function(745, "current_user", (), t.NAME, _current_user),
    _function(746, "session_user", (), t.NAME, _current_user),
    _function(1598, "random", (), t.FLOAT8, _random),
    _function(3810, "pg_is_in_recovery", (), t.BOOL, _is_in_recovery),
    _function(2849, "pg_current_wal_lsn", (), t.PG_LSN, _wal_written),
    _function(2852, "pg_current_wal_insert_lsn", (), t.PG_LSN, _wal_inserted),
    _function(3330, "pg_current_wal_flush_lsn", (), t.PG_LSN, _wal_flushed),
    _function(2171, "pg_cancel_backend", (t.INT4,), t.BOOL, _cancel_backend),
    _function(2096, "pg_terminate_backend", (t.INT4,), t.BOOL, _terminate_backend),
    _function(2096, "pg_terminate_backend", (t.INT4, t.INT8), t.BOOL, _terminate_backend),
    _function(2560, "pg_postmaster_start_time", (), t.TIMESTAMPTZ, _start_time),
    _function(1642, "pg_get_userbyid", (t.OID,), t.NAME, _user_by_id),
    _function(2079, "pg_table_is_visible", (t.OID,), t.BOOL, _table_is_visible),
    _function(1081, "format_type", (t.OID, t.INT4), t.TEXT, _format_type, False),
    _function(1597, "pg_encoding_to_char", (t.INT4,), t.NAME, _encoding_name),
    _function(3495, "to_regclass", (t.TEXT,), t.REGCLASS, _to_regclass),
    _function(3493, "to_regtype", (t.TEXT,), t.REGTYPE, _to_regtype),
    _function(2892, "pg_advisory_unlock_all", (), t.VOID, _nothing),
    _function(1348, "obj_description", (t.OID,), t.TEXT, _no_description),
    _function(1215, "obj_description", (t.OID, t.NAME), t.TEXT, _no_description),
)
