"""The virtual tables: their columns, and where their rows come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from engine.sql import type_table as t
from engine.sql.services import Services
from engine.sql.virtual_tables import settings


@dataclass(frozen=True, slots=True, eq=False)
class VirtualTable:
    """A relation whose rows are made when it is read. `oid` is PostgreSQL's for the view."""

    name: str
    oid: int
    columns: tuple[tuple[str, int], ...]
    rows: Callable[[Services], Iterable[tuple[Any, ...]]]


def _activity(services: Services) -> Iterable[tuple[Any, ...]]:
    return services.cluster.activity()


ACTIVITY_COLUMNS: Final = (
    ("datid", t.OID), ("datname", t.NAME), ("pid", t.INT4), ("leader_pid", t.INT4),
    ("usesysid", t.OID), ("usename", t.NAME), ("application_name", t.TEXT),
    ("client_addr", t.INET), ("client_hostname", t.TEXT), ("client_port", t.INT4),
    ("backend_start", t.TIMESTAMPTZ), ("xact_start", t.TIMESTAMPTZ),
    ("query_start", t.TIMESTAMPTZ), ("state_change", t.TIMESTAMPTZ),
    ("wait_event_type", t.TEXT), ("wait_event", t.TEXT), ("state", t.TEXT),
    ("backend_xid", t.XID), ("backend_xmin", t.XID), ("query_id", t.INT8), ("query", t.TEXT),
    ("backend_type", t.TEXT),
)  # fmt: skip

VIRTUAL_TABLES: Final[dict[str, VirtualTable]] = {
    table.name: table
    for table in (
        VirtualTable("pg_stat_activity", 12220, ACTIVITY_COLUMNS, _activity),
        VirtualTable("pg_settings", 12103, settings.COLUMNS, settings.rows),
    )
}
