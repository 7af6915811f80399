"""A session's own view of the settings: SET, SET LOCAL, RESET, SHOW, undone with their
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.config.definitions import SETTINGS, Context, Setting, SettingValue
from engine.config.server import Config
from engine.config.values import format_setting, parse_setting
from engine.errors import SqlError, SqlState, not_supported


class SessionSettings:
    """The values that hold in one session.

    `on_report(name, text)` is called when a setting that clients follow gets a new value. Changes
    made in a transaction are undone when it aborts, `local` ones also when it commits.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._session: dict[str, SettingValue] = {}
        self._reset: dict[str, SettingValue] = {}
        self._saved: dict[str, SettingValue | None] = {}
        self._local: dict[str, SettingValue | None] = {}
        self.on_report: Callable[[str, str], None] | None = None

    def get(self, name: str) -> SettingValue:
        """A setting's value in its unit."""
        key = name.lower()
        value = self._session.get(key)
        return self._config.value(key) if value is None else value

    def show(self, name: str) -> str:
        """What SHOW prints; 42704 for a name that is no setting."""
        return format_setting(self.setting(name), self.get(name))

    def setting(self, name: str) -> Setting:
        """The definition of a setting; 42704 for a name that is none."""
        setting = SETTINGS.get(name.lower())
        if setting is None:
            raise SqlError(
                SqlState.UNDEFINED_OBJECT, f'unrecognized configuration parameter "{name}"'
            )
        return setting

    def all(self) -> Sequence[tuple[Setting, str]]:
        """Every setting with its value as text, by name."""
        return [(SETTINGS[key], self.show(key)) for key in sorted(SETTINGS)]

    def set(self, name: str, text: str, *, local: bool = False) -> None:
        """SET name = text, until the session or (local) the transaction ends."""
        setting = self._changeable(name)
        self._store(setting, self._checked(setting, text), local=local)

    def initialize(self, name: str, text: str) -> None:
        """A value from the start-up packet: what RESET goes back to."""
        setting = self._changeable(name)
        value = self._checked(setting, text)
        self._session[name.lower()] = value
        self._reset[name.lower()] = value

    def assign_internal(self, name: str, value: SettingValue) -> None:
        """A value that only the server itself may set, such as session_authorization."""
        self._session[name.lower()] = value
        self._reset[name.lower()] = value

    def reset(self, name: str) -> None:
        """RESET name."""
        setting = self._changeable(name)
        key = name.lower()
        self._store(setting, self._reset.get(key, self._config.value(key)), local=False)

    def reset_all(self) -> None:
        """RESET ALL."""
        for key in list(self._session):
            if SETTINGS[key].context is Context.USER and not key.startswith("transaction_"):
                self.reset(key)

    def replace_config(self, config: Config) -> None:
        """The server's configuration was read again."""
        self._config = config

    def at_transaction_end(self, *, committed: bool) -> None:
        """Undo what ends with the transaction."""
        undone = dict(self._local)
        if not committed:
            undone.update(self._saved)
        self._local.clear()
        self._saved.clear()
        for key, value in undone.items():
            before = self.show(key)
            if value is None:
                self._session.pop(key, None)
            else:
                self._session[key] = value
            self._report(SETTINGS[key], before)

    def _changeable(self, name: str) -> Setting:
        setting = self.setting(name)
        if setting.context is Context.USER:
            return setting
        reason = {
            Context.INTERNAL: "cannot be changed",
            Context.POSTMASTER: "cannot be changed without restarting the server",
            Context.SIGHUP: "cannot be changed now",
        }[setting.context]
        raise SqlError(SqlState.CANT_CHANGE_RUNTIME_PARAM, f'parameter "{setting.name}" {reason}')

    def _checked(self, setting: Setting, text: str) -> SettingValue:
        value = parse_setting(setting, text)
        if value == "serializable" and setting.name.endswith("transaction_isolation"):
            raise not_supported("isolation level SERIALIZABLE")
        if setting.name == "client_encoding":
            if str(value).strip("'").replace("-", "").upper() not in ("UTF8", "UNICODE", "AUTO"):
                raise SqlError(
                    SqlState.INVALID_PARAMETER_VALUE,
                    f"conversion between {str(value).upper()} and UTF8 is not supported",
                    hint="Use client_encoding UTF8.",
                )
            return "UTF8"
        return value

    def _store(self, setting: Setting, value: SettingValue, *, local: bool) -> None:
        key = setting.name.lower()
        before, shown = self._session.get(key), self.show(key)
        if local:
            self._local.setdefault(key, before)
        else:
            self._saved.setdefault(key, self._local.pop(key, before))
        self._session[key] = value
        self._report(setting, shown)

    def _report(self, setting: Setting, before: str) -> None:
        after = self.show(setting.name)
        if setting.report and self.on_report is not None and after != before:
            self.on_report(setting.name, after)
