"""The server's configuration: defaults, postgresql.conf, and what the command line adds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from engine.config.definitions import SETTINGS, Context, SettingValue
from engine.config.values import parse_setting
from engine.errors import FatalError, SqlError, SqlState
from engine.host.api import Host
from engine.host.whole_file import read_file

CONFIGURATION_FILE: Final = "postgresql.conf"

_LINE: Final = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][\w.]*)(?:\s*=\s*|\s+)(?P<value>'(?:[^']|'')*'|[^\s#']+))?\s*(?:#.*)?$"
)


class Config:
    """The values of all settings, as attributes named like the settings, in the settings' units.

    `config.shared_buffers` is a number of 8 kB pages, `config.wal_writer_delay` milliseconds,
    `config.checkpoint_timeout` seconds: see `definitions`. Immutable; a reload makes a new one.
    """

    def __init__(
        self,
        values: Mapping[str, SettingValue] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._values = {name: setting.default for name, setting in SETTINGS.items()}
        self._values.update(values or {})
        self.options = dict(options or {})
        """What the command line says, which no reload overrides."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    def value(self, name: str) -> SettingValue:
        """A setting's value by its name in any case."""
        return self._values[name.lower()]

    def replace(self, **values: SettingValue) -> Config:
        """The same configuration with some values changed."""
        return Config({**self._values, **values}, self.options)

    def is_same_as(self, other: Config) -> bool:
        """Whether all settings have the same values there."""
        return self._values == other._values

    def reloadable(self) -> list[str]:
        """The settings that a reload may change."""
        fixed = (Context.INTERNAL, Context.POSTMASTER)
        return [name for name, setting in SETTINGS.items() if setting.context not in fixed]

    @property
    def wal_buffer_pages(self) -> int:
        """`wal_buffers` with -1 resolved: 1/32 of shared_buffers, 8 pages to one segment."""
        if self.wal_buffers >= 0:
            return max(4, int(self.wal_buffers))
        return max(8, min(int(self.shared_buffers) // 32, int(self.wal_segment_size) // 8192))


def read_configuration(host: Host, options: Mapping[str, str] | None = None) -> Config:
    """Defaults, then postgresql.conf, then `options`; FATAL F0000 naming line and setting."""
    values: dict[str, SettingValue] = {}
    for number, name, text in _parse_file(_read_text(host, CONFIGURATION_FILE)):
        where = f"{CONFIGURATION_FILE} line {number}"
        values[name.lower()] = _parse_value(name, text, where)
    for name, text in (options or {}).items():
        values[name.lower()] = _parse_value(name, text, "the command line")
    values["data_directory"] = ""
    return Config(values, options)


def reread_configuration(host: Host, current: Config) -> tuple[Config, list[str]]:
    """What a reload makes of `current`; and which settings the file has changed in vain, since
    only a new server can take them over."""
    fresh = read_configuration(host, current.options)
    reloadable = fresh.reloadable()
    changed = {name: fresh.value(name) for name in reloadable}
    in_vain = [
        name
        for name, setting in SETTINGS.items()
        if setting.context is Context.POSTMASTER and fresh.value(name) != current.value(name)
    ]
    return current.replace(**changed), in_vain


def _parse_value(name: str, text: str, where: str) -> SettingValue:
    setting = SETTINGS.get(name.lower())
    if setting is None:
        raise FatalError(
            SqlState.CONFIG_FILE_ERROR,
            f'unrecognized configuration parameter "{name}" in {where}',
            hint="Remove the line or correct the name; `SHOW ALL` lists the parameters.",
        )
    if setting.context is Context.INTERNAL:
        raise FatalError(
            SqlState.CONFIG_FILE_ERROR, f'parameter "{name}" cannot be changed (in {where})'
        )
    try:
        return parse_setting(setting, text)
    except SqlError as error:
        raise FatalError(
            SqlState.CONFIG_FILE_ERROR,
            f"{error.message} (in {where})",
            detail=error.detail,
            hint=error.hint,
        ) from None


def _parse_file(text: str) -> list[tuple[int, str, str]]:
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.match(line)
        if match is None:
            raise FatalError(
                SqlState.CONFIG_FILE_ERROR,
                f'syntax error in file "{CONFIGURATION_FILE}" line {number}, near "{line.strip()}"',
            )
        name, value = match["name"], match["value"]
        if name:
            if value.startswith("'"):
                value = value[1:-1].replace("''", "'")
            entries.append((number, name, value))
    return entries


def _read_text(host: Host, path: str) -> str:
    try:
        return read_file(host, path).decode()
    except FileNotFoundError as error:
        raise FatalError(
            SqlState.UNDEFINED_FILE,
            f'could not access the server configuration file "{path}": {error.strerror}',
        ) from None
    except OSError as error:
        raise FatalError(
            SqlState.CONFIG_FILE_ERROR,
            f'could not read the server configuration file "{path}": {error.strerror}',
        ) from None
    except UnicodeDecodeError as error:
        raise FatalError(
            SqlState.CONFIG_FILE_ERROR, f'file "{path}" is not UTF-8 from byte {error.start} on'
        ) from None
