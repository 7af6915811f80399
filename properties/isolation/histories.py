"""Reads histories of transactions: Jepsen's EDN and JSON, and what `chaos run` leaves.

A history is a sequence of events. Each has a `process`, a `type` (invoke, ok, fail, info), an `f`,
and a `value`; for a transaction `f` is `txn`, and the value its micro-operations:

    {:index 0, :type :invoke, :process 3, :f :txn, :value [[:append 7 1] [:r 8 nil]]}
    {:index 1, :type :ok,     :process 3, :f :txn, :value [[:append 7 1] [:r 8 [4 5]]]}

`append` and `r` make a list-append history, `w` and `r` a read-write-register history. In JSON it
is the same with names as strings: one object per line, or one array of them. Which format it is,
is seen from the first characters; `.gz` is read as well.

Of an `ok` the operations are those of its completion; of `fail` and `info`, and of what never
completed, those of its invocation: what such a transaction read says nothing. An invocation without
`f`, or with nothing after a key (`[:r :x]`), is how Elle's own examples are written, and taken for
what it means.

What is not a transaction is left out and counted: what the nemesis did, and any other `f`. But
whatever looks like a transaction must be one. A history with an event that cannot be is refused,
and the error says file and line: two invocations of a process without a completion between them, a
completion that nothing invoked, an unknown type or micro-operation, positions that go back. A
verdict on half a history would be worth nothing.

Our own histories call a transaction over registers `rw`; each of its micro-operations also has the
version, and 0 is what a register holds that was never written. They are what is read when
`rw-register` is asked for, and when there is nothing else.

Levels. `isolation`, which our own histories have, is the level that a transaction asked for, in
SQL's words or in those of `models.py`. SQL's words are taken as PostgreSQL keeps them: its
REPEATABLE READ is snapshot isolation, with snapshots of the moment.

Memory. The reads of a list are beginnings of one another, so a read shares the values with the
longest one so far, where it is its beginning.
"""

from __future__ import annotations

import gc
import gzip
import io
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from properties.isolation.edn import MalformedEdn, read_forms, to_edn
from properties.isolation.transactions import APPEND, FAIL, INFO, OK, READ, WRITE, Op, Transaction

LIST_APPEND: Final = "list-append"
RW_REGISTER: Final = "rw-register"

TYPES: Final = {
    word: word.removeprefix(":")
    for name in ("invoke", OK, FAIL, INFO)
    for word in (name, f":{name}")
}
MICRO_OPERATIONS: Final = {
    word: word.removeprefix(":") for name in (APPEND, READ, WRITE) for word in (name, f":{name}")
}
TRANSACTION: Final = ("txn", ":txn", None)
NEMESIS: Final = ("nemesis", ":nemesis")
OUR_REGISTERS: Final = "rw"
OUR_MARK: Final = "time_us"
"""A key that only events of our own histories have."""
OUR_INITIAL: Final = 0
POSITIONS: Final = 1 << 63
"""Every position is less."""

LEVELS: Final = {
    "read uncommitted": "read-committed",
    "read committed": "read-committed",
    "repeatable read": "strong-snapshot-isolation",
    "serializable": "serializable",
}
"""SQL's isolation levels, as PostgreSQL keeps them."""

PROGRESS_EVERY: Final = 8192
"""Events between two calls of what wants to know how far it is."""

Progress = Callable[[int, int], None]


class NoHistory(ValueError):
    """The file is no history that could be judged; the message begins with file and line."""


class _TooManyDigits(ValueError):
    """What Python says of an integer in JSON that it does not read."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


@dataclass(frozen=True, slots=True)
class History:
    """What was read."""

    path: Path
    transactions: list[Transaction]
    """In the order of their invocations."""
    workload: str
    """`list-append` or `rw-register`: what its micro-operations say."""
    events: int
    left_out: dict[str, int] = field(default_factory=dict)
    """Events that are of no transaction, by their `f`."""


def read_history(
    path: Path, workload: str | None = None, progress: Progress | None = None
) -> History:
    """The transactions of a history; NoHistory, OSError.

    `workload` says which micro-operations there must be; None: what is there. `progress` is told
    now and then how many bytes of how many have been read.
    """
    pairing = _Pairing(str(path), workload)
    total = path.stat().st_size
    line = 0
    try:
        with _without_collections(), path.open("rb") as raw, _text(raw, path) as text:
            for line, event in _events(text):
                pairing.add(event, line)
                if progress is not None and pairing.events % PROGRESS_EVERY == 0:
                    progress(raw.tell(), total)
    except MalformedEdn as error:
        raise NoHistory(f"{path}:{error.line}: {error}") from error
    except _TooManyDigits as error:
        raise NoHistory(f"{path}:{error.line}: a number has too many digits to be read") from error
    except json.JSONDecodeError as error:
        raise NoHistory(f"{path}:{error.lineno}: this is no JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        after = f", after line {line}" if line else ""
        hint = "; if it is compressed, its name must end in .gz" if path.suffix != ".gz" else ""
        raise NoHistory(
            f"{path}: not text in UTF-8{after}: a history is EDN or JSON{hint}"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NoHistory(f"{path}: not compressed as its name says: {error}") from error
    except RecursionError as error:
        raise NoHistory(f"{path}: values within values, too deep to be read") from error
    history = pairing.finish(path)
    if workload is None and not history.transactions and OUR_REGISTERS in history.left_out:
        return read_history(path, RW_REGISTER, progress)
    return history


def write_history(path: Path, transactions: Iterable[Transaction]) -> None:
    """The transactions as EDN, two events each; of one that never completed only the first."""
    events: list[tuple[int, str]] = []
    for transaction in transactions:
        asked = [Op(op.f, op.key, None) if op.f == READ else op for op in transaction.ops]
        events.append((transaction.invoked, _event("invoke", transaction, asked)))
        if transaction.completed is not None:
            done = transaction.ops if transaction.status == OK else asked
            events.append((transaction.completed, _event(transaction.status, transaction, done)))
    events.sort()
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{{:index {index}, {event}}}\n" for index, event in events)


def _event(kind: str, transaction: Transaction, ops: Iterable[Op]) -> str:
    value = " ".join(f"[:{op.f} {to_edn(op.key)} {to_edn(op.value)}]" for op in ops)
    shown = f":type :{kind}, :process {to_edn(transaction.process)}, :f :txn, :value [{value}]"
    if transaction.isolation is not None:
        shown += f", :isolation {to_edn(transaction.isolation)}"
    return shown


@contextmanager
def _without_collections() -> Iterator[None]:
    """Reading makes millions of objects and no circle of them. To look for circles again and again,
    as the garbage collector does, would take more than half of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# the text ---------------------------------------------------------------------------------------


def _text(raw: io.BufferedReader, path: Path) -> io.TextIOWrapper:
    """The lines of the file, unpacked if need be."""
    binary: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
    return io.TextIOWrapper(binary, encoding="utf-8-sig")


def _events(text: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
    """What is in the file, each with the number of its line. Its beginning tells the format."""
    head: list[str] = []
    begins = ""
    for line in text:
        head.append(line)
        begins = (begins + "".join(line.split()))[:3]
        if re.match(r"\[?\{.|[^\[{]|\[[^{]", begins):
            break
    lines = itertools.chain(head, text)
    if begins.startswith('{"'):
        return _json_lines(lines)
    if begins.startswith('[{"'):
        return _json_array("".join(lines))
    return read_forms(lines)


def _json_lines(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    decode = json.JSONDecoder().decode
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            yield number, decode(line)
        except json.JSONDecodeError as error:
            error.lineno = number
            raise
        except ValueError as error:
            raise _TooManyDigits(number) from error


_BETWEEN: Final = re.compile(r"[\s,]*")


def _json_array(text: str) -> Iterator[tuple[int, Any]]:
    """Element by element, so that each has its line, and not all are there at once."""
    decode = json.JSONDecoder().raw_decode
    at = text.index("[") + 1
    line = 1 + text.count("\n", 0, at)
    while True:
        begin = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        line += text.count("\n", at, begin)
        if text.startswith("]", begin):
            break
        try:
            element, at = decode(text, begin)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            raise _TooManyDigits(line) from error
        yield line, element
        line += text.count("\n", begin, at)
    if text[begin + 1 :].strip():
        raise json.JSONDecodeError("there is something after the array", text, begin + 1)


# the events -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Invocation:
    """A transaction that is under way."""

    id: int
    line: int
    position: int
    value: Any
    isolation: str | None


class _Pairing:
    """Makes transactions of invocations and completions."""

    def __init__(self, name: str, workload: str | None) -> None:
        self.events = 0
        self._name = name
        self._asked = workload
        self._writes = {None: None, LIST_APPEND: APPEND, RW_REGISTER: WRITE}[workload]
        self._transactions: list[Transaction | None] = []
        self._open: dict[Any, _Invocation] = {}
        self._left_out: dict[str, int] = {}
        self._last = -1
        self._longest: dict[Any, tuple[Any, ...]] = {}
        self._reads_lists: bool | None = None

    def add(self, event: Any, line: int) -> None:
        """The next event."""
        self.events += 1
        if event.__class__ is not dict:
            raise self._error(line, f"this is no operation, which would be a map: {_short(event)}")
        f, process, type_ = event.get("f"), event.get("process"), event.get("type")
        position = self._position(event, line)
        is_ours = OUR_MARK in event and self._asked == RW_REGISTER
        if process in NEMESIS or (f != OUR_REGISTERS if is_ours else f not in TRANSACTION):
            name = str(f).removeprefix(":")
            self._left_out[name] = self._left_out.get(name, 0) + 1
            return
        kind = TYPES.get(type_) if isinstance(type_, str) else None
        if type_ is None:
            what = f"a map of {', '.join(map(str, event))}" if event else "an empty map"
            raise self._error(
                line, f"{_cut(what)} is no operation: it has no type (invoke, ok, fail, info)"
            )
        if kind is None:
            raise self._error(
                line, f"{_short(type_)} is no type of an event: invoke, ok, fail, info"
            )
        if is_ours:
            event["value"] = _without_versions(event.get("value"))
        if isinstance(process, list | dict):
            raise self._error(line, f"{_short(process)} is no process")
        if kind == "invoke":
            self._begin(event, process, position, line)
            return
        invocation = self._open.pop(process, None)
        if invocation is None:
            message = f"process {_short(process)} completes ({kind}) what it never began"
            raise self._error(line, message)
        value = event.get("value") if kind == OK else invocation.value
        ops = self._ops(value, kind == OK, line if kind == OK else invocation.line)
        self._transactions[invocation.id] = Transaction(
            invocation.id,
            process,
            OK if kind == OK else FAIL if kind == FAIL else INFO,
            ops,
            invocation.position,
            position if kind != INFO else None,
            invocation.isolation,
        )

    def finish(self, path: Path) -> History:
        """The history ended: what is still open was never answered."""
        for process, open_ in self._open.items():
            ops = self._ops(open_.value, False, open_.line)
            self._transactions[open_.id] = Transaction(
                open_.id, process, INFO, ops, open_.position, None, open_.isolation
            )
        if self._writes is None:
            self._writes = APPEND if self._reads_lists is not False else WRITE
        return History(
            path,
            [transaction for transaction in self._transactions if transaction is not None],
            LIST_APPEND if self._writes == APPEND else RW_REGISTER,
            self.events,
            dict(sorted(self._left_out.items())),
        )

    def _position(self, event: dict[str, Any], line: int) -> int:
        """What the event says of its place, or the one after the last."""
        index = event.get("index")
        if index is None:
            index = self._last + 1
        elif index.__class__ is not int or index <= self._last:
            message = f"index {_short(index)} does not come after the one before, {self._last}"
            raise self._error(line, message)
        if index >= POSITIONS:
            raise self._error(line, f"index {_short(index)} is no position: it is too large")
        self._last = index
        return int(index)

    def _begin(self, event: dict[str, Any], process: Any, position: int, line: int) -> None:
        if process in self._open:
            message = (
                f"process {_short(process)} begins a transaction before the one of line"
                f" {self._open[process].line} has ended"
            )
            raise self._error(line, message)
        level = event.get("isolation")
        if level is not None:
            if not isinstance(level, str):
                raise self._error(line, f"{_short(level)} is no isolation level")
            level = level.removeprefix(":")
            level = LEVELS.get(level, level)
        number = len(self._transactions)
        self._open[process] = _Invocation(number, line, position, event.get("value"), level)
        self._transactions.append(None)

    def _ops(self, value: Any, is_ok: bool, line: int) -> tuple[Op, ...]:
        """The micro-operations; reads of what is not ok without what they read."""
        if value.__class__ is not list:
            raise self._error(line, f"a transaction without its micro-operations: {_short(value)}")
        ops = []
        for micro in value:
            if micro.__class__ is not list or not 2 <= len(micro) <= 3:
                raise self._error(line, f"{_short(micro)} is no micro-operation")
            word, key = micro[0], micro[1]
            f = MICRO_OPERATIONS.get(word) if isinstance(word, str) else None
            if f is None:
                message = f"unknown micro-operation {_short(word)}: append, w and r are known"
                raise self._error(line, message)
            item = micro[2] if len(micro) == 3 else None
            if key.__class__ is list or key.__class__ is dict:
                key = _hashable(key)
            if f == READ:
                item = self._read(key, item, line) if is_ok else None
            else:
                if f != self._writes:
                    self._meet_write(f, line)
                if item is None:
                    raise self._error(line, f"{_short(micro)} writes nothing")
                if item.__class__ is list or item.__class__ is dict:
                    item = _hashable(item)
            ops.append(Op(f, key, item))
        return tuple(ops)

    def _meet_write(self, f: str, line: int) -> None:
        """The first write says what kind of history it is; the others must be of the same."""
        if self._writes is None and (f == APPEND or self._reads_lists is not True):
            self._writes = f
            return
        other = LIST_APPEND if f == WRITE else RW_REGISTER
        raise self._error(line, f"micro-operation {f!r} in a history of the workload {other}")

    def _read(self, key: Any, item: Any, line: int) -> Any:
        if item is None:
            return None
        if item.__class__ is not list:
            self._reads_lists = self._reads_lists or False
            if self._writes == APPEND:
                message = f"list {_short(key)} was read as {_short(item)}, which is no list"
                raise self._error(line, message)
            return _hashable(item)
        if self._writes == WRITE:
            return _hashable(item)
        self._reads_lists = True
        longest = self._longest.get(key, ())
        read = tuple(item)
        length = min(len(read), len(longest))
        if longest[:length] != read[:length]:
            return _hashable(item)
        if len(read) > length:
            longest = self._longest[key] = longest + _hashable(item[length:])
        return longest if len(read) == len(longest) else longest[: len(read)]

    def _error(self, line: int, message: str) -> NoHistory:
        return NoHistory(f"{self._name}:{line}: {message}")


def _without_versions(value: Any) -> Any:
    """Micro-operations on our registers as all others write them; anything else as it is."""
    if not isinstance(value, list):
        return value
    return [
        [micro[0], micro[1], None if micro[2] == OUR_INITIAL else micro[2]]
        if isinstance(micro, list) and len(micro) == 4
        else micro
        for micro in value
    ]


def _hashable(value: Any) -> Any:
    """Lists as tuples, maps as their EDN."""
    if isinstance(value, list):
        read = tuple(value)
        try:
            hash(read)
        except TypeError:
            return tuple(map(_hashable, value))
        return read
    return to_edn(value) if isinstance(value, dict) else value


def _short(value: Any) -> str:
    """For a message."""
    return _cut(to_edn(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
