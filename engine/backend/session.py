"""The main loop of a session: read a message, act, answer; and what happens when that fails.

SESSION-1  A client that waits is answered: every Query and every Sync ends in one ReadyForQuery.
SESSION-2  After an error in an extended-query message everything up to the next Sync is skipped.
SESSION-3  However a session ends, its transaction is over, its locks are free, its slot is idle.
SESSION-4  What the client is told of a COMMIT was true before the first byte of it was sent.

Source: PostgreSQL 15, `tcop/postgres.c` (PostgresMain).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.backend.client import ClientGone, Deadline
from engine.backend.context import SessionContext
from engine.backend.error_response import (
    error_message,
    stack_depth_exceeded,
    violation_as_panic,
)
from engine.backend.extended_query import ExtendedQuery
from engine.backend.simple_query import SimpleQuery
from engine.errors import (
    EngineError,
    FatalError,
    InvariantViolation,
    PanicError,
    SqlError,
    SqlState,
    not_supported,
    unexpected_as_panic,
)
from engine.protocol.backend import parameter_status, ready_for_query
from engine.protocol.framing import MESSAGE_LIMITS, ProtocolViolation
from engine.protocol.frontend import parse_empty, parse_query
from engine.wal.file_error import as_panic

_QUERY: Final = ord("Q")
_PARSE: Final = ord("P")
_BIND: Final = ord("B")
_DESCRIBE: Final = ord("D")
_EXECUTE: Final = ord("E")
_CLOSE: Final = ord("C")
_FLUSH: Final = ord("H")
_SYNC: Final = ord("S")
_TERMINATE: Final = ord("X")
_FUNCTION_CALL: Final = ord("F")
_EXTENDED: Final = frozenset((_PARSE, _BIND, _DESCRIBE, _EXECUTE, _CLOSE, _FLUSH))


class Session:
    """A session of an authenticated client."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._simple = SimpleQuery(context)
        extended = ExtendedQuery(context)
        self._extended_handlers: dict[int, Callable[[bytes], None]] = {
            _PARSE: extended.parse,
            _BIND: extended.bind,
            _DESCRIBE: extended.describe,
            _EXECUTE: extended.execute,
            _CLOSE: extended.close,
            _FLUSH: self._flush,
        }
        self._changed_settings: dict[str, str] = {}
        self._ready_due = True
        self._skips_until_sync = False
        self._statement = ""
        context.settings.on_report = self._setting_changed
        context.transactions.at_end.append(
            lambda committed: context.settings.at_transaction_end(committed=committed)
        )

    def run(self) -> None:
        """Serve until the client leaves; a FATAL goes to the client and then up.

        A broken invariant or PANIC goes up without any cleaning: its process must not touch
        shared memory again.
        """
        try:
            while self._serve_one():
                pass
        except ClientGone as gone:
            self._log_departure(gone)
        except FatalError as error:
            self._tell_last(error)
            self._end()
            raise
        except PanicError as error:
            self._tell_last(error)
            raise
        except InvariantViolation as violation:
            self._tell_last(violation_as_panic(violation))
            raise
        except SqlError as error:
            # It came while another one was cleaned up after.
            panic = as_panic(error)
            self._tell_last(panic)
            raise panic from error
        except Exception as error:
            panic = unexpected_as_panic(error)
            # The way to it is for the log alone.
            self._tell_last(PanicError(panic.sqlstate, panic.message, hint=panic.hint))
            raise panic from error
        self._end()

    # one round ------------------------------------------------------------------------------------

    def _serve_one(self) -> bool:
        """Answer what is due, then read one message and act on it; False when the client leaves."""
        context = self._context
        deadline = None
        if self._ready_due:
            self._send_ready()
            deadline = self._deadline()
        try:
            kind, body = context.client.read_message(MESSAGE_LIMITS, deadline)
        except ProtocolViolation as violation:
            if violation.tell_client:
                raise FatalError(SqlState.PROTOCOL_VIOLATION, violation.message) from None
            context.log.log(violation.message)
            return False
        context.activity.woken()
        if kind == _TERMINATE:
            return False
        if kind == _SYNC:
            self._skips_until_sync = False
        elif self._skips_until_sync:
            return True
        try:
            self._act(kind, body)
        except SqlError as error:
            self._recover(error, is_extended=kind in _EXTENDED)
        except RecursionError:
            self._recover(stack_depth_exceeded(), is_extended=kind in _EXTENDED)
        except MemoryError:
            exhausted = SqlError(SqlState.OUT_OF_MEMORY, "out of memory")
            self._recover(exhausted, is_extended=kind in _EXTENDED)
        return True

    def _act(self, kind: int, body: bytes) -> None:
        handler = self._extended_handlers.get(kind)
        if handler is not None:
            self._statement = ""
            handler(body)
        elif kind == _QUERY:
            self._ready_due = True
            self._statement = parse_query(body)
            self._simple.run(self._statement)
        elif kind == _SYNC:
            self._ready_due = True
            self._statement = ""
            parse_empty(body)
            self._context.bracket.finish()
        elif kind == _FUNCTION_CALL:
            self._ready_due = True
            raise not_supported("the function call protocol")
        # CopyData, CopyDone, CopyFail: left over from a failed COPY, to be ignored.

    def _flush(self, body: bytes) -> None:
        parse_empty(body)
        self._context.client.flush()

    def _send_ready(self) -> None:
        """End the answer and send all of it at once (SESSION-1, SESSION-4)."""
        context = self._context
        status = context.transactions.status()
        client = context.client
        if self._changed_settings:
            for name, value in self._changed_settings.items():
                client.out += parameter_status(name, value)
            self._changed_settings.clear()
        client.out += ready_for_query(status)
        context.activity.idle(status)
        client.flush()
        self._ready_due = False

    def _deadline(self) -> Deadline | None:
        """How long the client may be silent after an answer."""
        context = self._context
        in_transaction = context.transactions.status() != b"I"
        name = "idle_in_transaction_session_timeout" if in_transaction else "idle_session_timeout"
        timeout_ms = context.settings.get(name)
        if not timeout_ms:
            return None
        if in_transaction:
            error = FatalError(
                SqlState.IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                "terminating connection due to idle-in-transaction timeout",
            )
        else:
            error = FatalError(
                SqlState.IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout"
            )
        return Deadline(context.host.monotonic_us() + timeout_ms * 1000, error)

    def _setting_changed(self, name: str, value: str) -> None:
        """A setting that clients follow has a new value; they hear of it with the answer."""
        self._changed_settings[name] = value
        if name == "application_name":
            self._context.activity.rename(value)

    # failure --------------------------------------------------------------------------------------

    def _recover(self, error: SqlError, *, is_extended: bool) -> None:
        """Abort, tell the client, and go on (SESSION-2)."""
        context = self._context
        context.bracket.fail()
        context.log.error(error, self._statement)
        context.client.out += error_message(error)
        if is_extended:
            self._skips_until_sync = True
            # A client that sent Flush and no Sync waits for this; its Flush is skipped.
            context.client.flush()
        else:
            self._ready_due = True

    def _tell_last(self, error: EngineError) -> None:
        """The last message to a client."""
        client = self._context.client
        if client.is_lost or client.is_sending:
            return
        client.out += error_message(error)
        client.send_urgently(bytes(client.out))
        client.out.clear()

    def _log_departure(self, gone: ClientGone) -> None:
        """What the log says of a client that left without Terminate."""
        log = self._context.log
        if gone.reason is not None:
            log.log(gone.reason)
        if self._context.transactions.status() != b"I":
            log.log("unexpected EOF on client connection with an open transaction")

    def _end(self) -> None:
        """SESSION-3."""
        self._context.portals.close_all()
        self._context.transactions.abort_out_of_any()
