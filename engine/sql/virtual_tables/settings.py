"""pg_settings: every setting with its value in this session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from engine.config.definitions import Context, Setting, SettingValue
from engine.sql import type_table as t
from engine.sql.services import Services

COLUMNS: Final = (
    ("name", t.TEXT), ("setting", t.TEXT), ("unit", t.TEXT), ("category", t.TEXT),
    ("short_desc", t.TEXT), ("extra_desc", t.TEXT), ("context", t.TEXT), ("vartype", t.TEXT),
    ("source", t.TEXT), ("min_val", t.TEXT), ("max_val", t.TEXT), ("boot_val", t.TEXT),
    ("reset_val", t.TEXT), ("pending_restart", t.BOOL),
)  # fmt: skip


def rows(services: Services) -> Iterable[tuple[Any, ...]]:
    """One row per setting, by name."""
    settings = services.settings
    for setting, _ in settings.all():
        value = settings.get(setting.name)
        kind = _kind(setting)
        is_number = kind in ("integer", "real")
        yield (
            setting.name,
            _plain(value),
            setting.unit or None,
            "Settings",
            setting.description,
            None,
            _context(setting.context),
            kind,
            "default" if value == setting.default else "configuration file",
            f"{setting.minimum:.15g}" if is_number else None,
            f"{setting.maximum:.15g}" if is_number else None,
            _plain(setting.default),
            _plain(value),
            False,
        )


def _plain(value: SettingValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind(setting: Setting) -> str:
    if isinstance(setting.default, bool):
        return "bool"
    if setting.choices:
        return "enum"
    if isinstance(setting.default, int):
        return "integer"
    return "real" if isinstance(setting.default, float) else "string"


def _context(context: Context) -> str:
    return context.value
