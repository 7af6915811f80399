"""Reads a scenario file. Every complaint names the file, the table, the key, and what is allowed.

README.md of this package describes the format for those who write one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from chaos.disk.profiles import PROFILES
from chaos.faults.places import ROLES, PlaceError, parse_fault
from chaos.plan import FREE, SCHEDULES, default_schedule
from chaos.scenario.damage import DamageError, check_damage
from chaos.scenario.plan_table import PlanError, read_plan
from chaos.scenario.steps import (
    AWAITED,
    KEPT,
    MODES,
    STARTS,
    USUAL_PROFILE,
    Act,
    Arm,
    Await,
    Close,
    Continue,
    CutPower,
    Damage,
    Expected,
    Hold,
    Kill,
    Look,
    Restart,
    Rows,
    Say,
    Scenario,
    Shutdown,
    Start,
    Step,
    Stop,
    Victim,
    Wait,
)

T = TypeVar("T")

TARGETS: Final = ("engine", "postgres")
EXPECTATIONS: Final = ("rows", "tag", "error", "lost", "refused", "waits")
_NAME: Final = re.compile(r"\w[\w.-]*")
_SESSION: Final = re.compile(r"[a-z]\w*")
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")
_NAMED: Final = re.compile(r"\$\{(\w+)\}")
_COPY: Final = re.compile(r"\s*copy\b.*\b(stdin|stdout)\b", re.IGNORECASE | re.DOTALL)
_WORDS_FOR_ALL: Final = ("all", "children")
_KILLABLE: Final = tuple(role for role in ROLES if role != "dead-end")
"""Whom one can name without a place: the titles of processes do not tell more."""


class ScenarioError(ValueError):
    """The file is no scenario: which file, table and key, and what is allowed there."""


class _Table:
    """One table of the file, taken apart key by key; whatever is left over is refused."""

    def __init__(self, found: Any, where: str) -> None:
        self.where = where
        if not isinstance(found, dict):
            raise ScenarioError(f"{where}: must be a table")
        self._rest: dict[str, Any] = dict(found)
        self._known: list[str] = []

    def has(self, key: str) -> bool:
        self._known.append(key)
        return key in self._rest

    def left(self) -> list[str]:
        return list(self._rest)

    def text(self, key: str, default: str | None = None) -> str:
        return self._take(key, default, str, "a text")

    def number(self, key: str, default: int | None = None) -> int:
        return self._take(key, default, int, "a whole number of at least 0", lambda n: n >= 0)

    def flag(self, key: str) -> bool:
        """`key = true`, the only thing one can say about it."""
        given = self.value(key)
        if given not in (None, True):
            raise self.wrong(key, f"{given!r} must be true")
        return given is not None

    def choice(self, key: str, allowed: Sequence[str], default: str | None = None) -> str:
        listed = ", ".join(map(repr, allowed))
        return self._take(key, default, str, f"one of {listed}", lambda text: text in allowed)

    def texts(self, key: str) -> tuple[str, ...]:
        given = self._take(key, [], list, "a list of texts", _all_texts)
        return tuple(given)

    def value(self, key: str, default: Any = None) -> Any:
        self._known.append(key)
        return self._rest.pop(key, default)

    def rows(self, key: str) -> Rows:
        given = self._take(key, [], list, "a list of rows, each a list of values", _is_rows)
        return tuple(tuple(map(_cell, row)) for row in given)

    def patterns(self, key: str) -> tuple[str, ...]:
        """Regular expressions."""
        found = self.texts(key)
        for pattern in found:
            self.pattern(key, pattern)
        return found

    def pattern(self, key: str, pattern: str) -> str:
        try:
            re.compile(_NAMED.sub("0", pattern))
        except re.error as error:
            raise self.wrong(key, f"{pattern!r} is no regular expression: {error}") from error
        return pattern

    def end(self) -> None:
        """Everything has been taken."""
        if self._rest:
            unknown = ", ".join(sorted(self._rest))
            known = ", ".join(dict.fromkeys(self._known))
            raise ScenarioError(f"{self.where}: {unknown}: not known here; there are {known}")

    def wrong(self, key: str, why: str) -> ScenarioError:
        return ScenarioError(f"{self.where}: {key}: {why}")

    def _take(
        self,
        key: str,
        default: T | None,
        kind: type[T],
        what: str,
        is_right: Callable[[T], bool] = lambda _: True,
    ) -> T:
        found = self.value(key, default)
        if found is None:
            raise self.wrong(key, f"is missing; it must be {what}")
        # A bool is an int to Python, not to a reader.
        if not isinstance(found, kind) or isinstance(found, bool) != (kind is bool):
            raise self.wrong(key, f"{found!r} must be {what}")
        if found is not default and not is_right(found):
            raise self.wrong(key, f"{found!r} must be {what}")
        return found


def _all_texts(given: list[Any]) -> bool:
    return all(isinstance(item, str) for item in given)


def _is_rows(given: list[Any]) -> bool:
    return all(
        isinstance(row, list) and all(isinstance(cell, str | int | float) for cell in row)
        for row in given
    )


def _cell(value: str | int | float) -> str:
    """As PostgreSQL writes it."""
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


# the file ----------------------------------------------------------------------------------------


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file; ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from error
    return parse_scenario(text, str(path), path.stem)


def parse_scenario(text: str, file: str, stem: str) -> Scenario:
    """The scenario in a text; `stem` is its name when it does not give one."""
    try:
        top = _Table(tomllib.loads(text), file)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{file}: no TOML: {error}") from error
    scenario = _scenario(top, file, stem)
    top.end()
    return scenario


def _scenario(top: _Table, file: str, stem: str) -> Scenario:
    name = top.text("name", stem)
    if not _NAME.fullmatch(name):
        raise top.wrong("name", f"{name!r} must be letters, digits, _ . and -")
    hypothesis = top.text("hypothesis")
    source = top.text("source", "")
    targets = top.texts("targets")
    schedule = top.choice("schedule", SCHEDULES) if top.has("schedule") else None
    seed = top.number("seed", 0)
    segment = top.number("wal_segment_mb", 1)
    has_profile = top.has("profile")
    profile = top.choice("profile", tuple(PROFILES), USUAL_PROFILE)
    bound_s = top.value("bound_s", 30)
    if isinstance(bound_s, bool) or not isinstance(bound_s, int | float) or bound_s <= 0:
        raise top.wrong("bound_s", f"{bound_s!r} must be a number of seconds")
    settings = _settings(_Table(top.value("settings", {}), f"{file}: [settings]"))
    unknown = [target for target in targets if target not in TARGETS and ":" not in target]
    if unknown:
        raise top.wrong("targets", f"{unknown[0]!r} must be one of {', '.join(TARGETS)}")
    if segment not in {1 << power for power in range(11)}:
        raise top.wrong("wal_segment_mb", f"{segment} must be a power of two up to 1024")
    given = [key for key in ("step", "workload") if top.has(key)]
    if len(given) != 1:
        raise ScenarioError(f"{file}: there must be either [[step]]s or a [workload]")
    parts: dict[str, Any] = {}
    if given == ["step"]:
        if top.has("mutant"):
            parts["mutant"] = top.text("mutant")
        parts["steps"] = tuple(
            _step(_Table(table, f"{file}: [[step]] {number}"), number)
            for number, table in enumerate(_array(top, "step"), 1)
        )
        parts["holds"] = tuple(
            _hold(_Table(table, f"{file}: [[hold]] {number}"))
            for number, table in enumerate(_array(top, "hold"), 1)
        )
    else:
        target = (targets or TARGETS)[0]
        shared = {"target": target, "schedule": schedule or default_schedule(target), "seed": seed,
                  "settings": settings, "wal_segment_mb": segment, "bound_s": bound_s}  # fmt: skip
        try:
            parts["plan"] = read_plan(
                shared, top.value("workload"), _array(top, "cycle"), top.value("seeds")
            )
        except PlanError as error:
            raise ScenarioError(f"{file}: {error}") from error
    scenario = Scenario(
        name, hypothesis, source, targets or TARGETS, schedule, seed, settings, segment,
        float(bound_s), profile=profile, **parts,
    )  # fmt: skip
    if scenario.arms and schedule == FREE:
        raise top.wrong("schedule", "'free' knows no places: leave out the schedule, or the `arm`s")
    if scenario.loses_power and schedule == FREE:
        raise top.wrong("schedule", "'free' has no disk whose power can be cut: leave it out")
    if has_profile and not scenario.loses_power:
        raise top.wrong("profile", "is about a power loss, and there is no step `power_loss`")
    return scenario


def _array(top: _Table, key: str) -> list[Any]:
    found = top.value(key, [])
    if not isinstance(found, list):
        raise top.wrong(key, f"write [[{key}]], not [{key}]")
    return found


def _settings(table: _Table) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in table.left():
        value = table.value(name)
        if isinstance(value, bool):
            value = "on" if value else "off"
        if not isinstance(value, str | int | float) or "'" in str(value):
            raise table.wrong(
                name, f"{value!r} must be a text without ', a number, or true or false"
            )
        found[name] = str(value)
    return found


def _hold(table: _Table) -> Hold:
    if not table.has("rows"):
        raise table.wrong("rows", "is missing; it must say what the question must be answered with")
    hold = Hold(table.text("sql"), table.rows("rows"))
    table.end()
    return hold


# steps -------------------------------------------------------------------------------------------


def _step(table: _Table, number: int) -> Step:
    kinds = [key for key in ACTS if table.has(key)]
    if len(kinds) > 1:
        raise ScenarioError(
            f"{table.where}: {' and '.join(kinds)} are two steps: write a [[step]] for each"
        )
    if not kinds and not table.has("log") and not table.has("no_log"):
        raise ScenarioError(
            f"{table.where}: a step must have one of {', '.join(ACTS)}, log, no_log"
        )
    act: Act = ACTS[kinds[0]](table) if kinds else Look()
    step = Step(number, act, table.patterns("log"), table.patterns("no_log"))
    table.end()
    return step


def _session(table: _Table) -> Act:
    name = table.text("session")
    if not _SESSION.fullmatch(name):
        raise table.wrong("session", f"{name!r} must be a small letter, then letters and digits")
    if table.has("close"):
        table.flag("close")
        return Close(name)
    sql = table.text("sql") if table.has("sql") else None
    if sql is not None and _COPY.match(sql):
        raise table.wrong("sql", "COPY through the client is not for scenarios: use INSERT")
    expected = _expected(table)
    if table.has("finishes"):
        table.flag("finishes")
        if sql is not None or expected.is_waiting:
            raise table.wrong("finishes", "is about what was sent earlier: no sql, no waits")
    elif sql is None and not (
        expected.is_waiting or expected.is_refused or expected.lost is not None
    ):
        raise ScenarioError(
            f"{table.where}: a session must have one of sql, finishes, waits, lost, refused, close"
        )
    save = table.text("save") if table.has("save") else None
    return Say(name, sql, expected, save)


def _expected(table: _Table) -> Expected:
    given = [key for key in EXPECTATIONS if table.has(key)]
    if len(given) > 1 and given != ["rows", "tag"]:
        raise ScenarioError(f"{table.where}: {' and '.join(given)} cannot both come true")
    message = table.pattern("message", table.text("message")) if table.has("message") else None
    if message is not None and not {"error", "lost", "refused"} & set(given):
        raise table.wrong("message", "only an error, lost or refused has one")
    return Expected(
        rows=table.rows("rows") if table.has("rows") else None,
        tag=table.text("tag") if table.has("tag") else None,
        error=_sqlstate(table, "error") if table.has("error") else None,
        lost=_sqlstate(table, "lost") if table.has("lost") else None,
        is_refused=table.flag("refused"),
        is_waiting=table.flag("waits"),
        message=message,
    )


def _sqlstate(table: _Table, key: str) -> str:
    """`true`: with any SQLSTATE."""
    value = table.value(key)
    if value is True:
        return ""
    if not isinstance(value, str) or not _SQLSTATE.fullmatch(value):
        raise table.wrong(key, f"{value!r} must be an SQLSTATE of five characters, or true")
    return value


def _arm(table: _Table) -> Act:
    try:
        return Arm(parse_fault(table.text("arm")))
    except PlaceError as error:
        raise table.wrong("arm", str(error)) from error


def _victim(table: _Table, key: str, text: str) -> Victim:
    match text.split():
        case [role] if role in (*_KILLABLE, *_WORDS_FOR_ALL):
            return Victim(role)
        case ["backend", "of", session] if _SESSION.fullmatch(session):
            return Victim("backend", session)
    allowed = ", ".join((*_KILLABLE, "backend of SESSION"))
    raise table.wrong(key, f"there is no {text!r}; there are {allowed}, all, children")


def _kill(table: _Table) -> Act:
    parts = [part.strip() for part in table.text("kill").split("+")]
    return Kill(tuple(_victim(table, "kill", part) for part in parts))


def _cut_power(table: _Table) -> Act:
    return CutPower(table.choice("power_loss", KEPT))


def _stop(table: _Table) -> Act:
    return Stop(_one_victim(table, "stop"))


def _continue(table: _Table) -> Act:
    return Continue(_one_victim(table, "continue"))


def _one_victim(table: _Table, key: str) -> Victim:
    victim = _victim(table, key, table.text(key))
    if victim.role in _WORDS_FOR_ALL:
        raise table.wrong(key, "one process at a time")
    return victim


def _shutdown(table: _Table) -> Act:
    return Shutdown(table.choice("shutdown", MODES), table.number("status", 0))


def _damage(table: _Table) -> Act:
    how = table.value("damage")
    try:
        return Damage(check_damage(how))
    except DamageError as error:
        raise table.wrong("damage", str(error)) from error


def _checkpoint(table: _Table) -> Act:
    table.flag("checkpoint")
    return Say("checkpointing", "CHECKPOINT", Expected(tag="CHECKPOINT"))


ACTS: Final[Mapping[str, Callable[[_Table], Act]]] = {
    "session": _session,
    "arm": _arm,
    "kill": _kill,
    "power_loss": _cut_power,
    "stop": _stop,
    "continue": _continue,
    "start": lambda table: Start(table.choice("start", STARTS)),
    "shutdown": _shutdown,
    "restart": lambda table: Restart(table.choice("restart", MODES)),
    "await": lambda table: Await(table.choice("await", AWAITED)),
    "wait_ms": lambda table: Wait(table.number("wait_ms")),
    "checkpoint": _checkpoint,
    "damage": _damage,
}
"""What a step may be, by the key that says so."""
