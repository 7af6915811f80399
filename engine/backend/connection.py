"""A connection from its accept to its end: who may come in, and the session that follows.

`serve_connection` is the life of a backend process, `refuse_connection` that of a dead-end child,
which only tells its client why it cannot come in.

AUTH-1  No statement is read from a client before authentication has succeeded.
AUTH-2  Who does not finish authentication within `authentication_timeout` is cut off.
"""

from __future__ import annotations

from engine.backend.abc import Process, SessionServices
from engine.backend.activity import Activity
from engine.backend.authentication import Applicant, Authentication
from engine.backend.cancel import process_cancel
from engine.backend.client import Client, ClientGone, ConnectionLost, Deadline
from engine.backend.command_bracket import CommandBracket
from engine.backend.context import SessionContext
from engine.backend.error_response import (
    CRASH_NOTICE,
    IMMEDIATE_SHUTDOWN_NOTICE,
    NoticeSender,
    error_message,
    notice_message,
)
from engine.backend.hba import load_hba
from engine.backend.portals import Portals
from engine.backend.prepared_statements import PreparedStatements
from engine.backend.session import Session
from engine.backend.session_statements import SessionSql
from engine.backend.startup import (
    StartupRequest,
    interpret_startup,
    negotiation,
    receive_startup,
    refuse_replication,
)
from engine.config import SETTINGS, Config
from engine.errors import FatalError, SqlError, SqlState
from engine.host.api import Host, Peer
from engine.protocol.backend import AUTHENTICATION_OK, backend_key_data, parameter_status
from engine.protocol.startup import CancelRequest, StartupMessage, UnsupportedProtocol
from engine.shmem.interrupts import Interrupts
from engine.shmem.log import Log
from engine.shmem.procs import ProcTable


class Connection:
    """One connection being set up."""

    def __init__(
        self, process: Process, services: SessionServices, descriptor: int, peer: Peer
    ) -> None:
        self._services = services
        self._peer = peer
        self._host = process.host
        self._config = process.config
        self._log = process.log
        self._procs = process.procs
        self._slot = process.slot
        self._interrupts = process.interrupts
        self._interrupts.on_reload = process.reload_if_asked
        self._client = Client(self._host, descriptor, self._interrupts, self._log)
        timeout_us = int(self._config.authentication_timeout) * 1_000_000
        # AUTH-2. Who has not even said what it wants is cut off without a word.
        end = self._host.monotonic_us() + timeout_us
        self._startup_deadline = Deadline(end, ClientGone(None))
        self._deadline = Deadline(
            end, FatalError(SqlState.QUERY_CANCELED, "canceling authentication due to timeout")
        )

    def serve(self) -> None:
        """From the first packet to the last message."""
        self._interrupts.terminate_raises = True
        self._log_received()
        try:
            packet = receive_startup(self._client, self._startup_deadline)
            if isinstance(packet, CancelRequest):
                process_cancel(self._host, self._procs, self._log, packet)
                return
            session = self._open(packet)
        except ClientGone as gone:
            if gone.reason is not None:
                self._log.log(gone.reason)
            return
        except FatalError as error:
            self._refuse(error)
            raise
        except SqlError as error:
            # There is no session yet that could go on: a catalog that cannot be read, a cancel.
            fatal = _as_fatal(error)
            self._refuse(fatal)
            raise fatal from error
        session.run()
        self._log_disconnection()

    # from the startup packet to the session -------------------------------------------------------

    def _open(self, message: StartupMessage) -> Session:
        request = interpret_startup(message)
        who = f"{request.user} {request.database} {self._origin}"
        self._host.set_title(f"postgres: {who} authentication")
        self._client.out += negotiation(message)
        self._authenticate(request)
        self._client.out += AUTHENTICATION_OK
        services = self._services
        role = services.find_role(request.user)
        if role is None:
            raise FatalError(
                SqlState.INVALID_AUTHORIZATION, f'role "{request.user}" does not exist'
            )
        if not role.can_login:
            raise FatalError(
                SqlState.INVALID_AUTHORIZATION,
                f'role "{request.user}" is not permitted to log in',
            )
        database = services.find_database(request.database)
        if database is None:
            raise FatalError(
                SqlState.INVALID_CATALOG_NAME, f'database "{request.database}" does not exist'
            )
        self._fill_slot(request, role.oid, database)
        self._apply_settings(request, role.is_superuser)
        return self._start_session(request, who)

    def _authenticate(self, request: StartupRequest) -> None:
        rules = load_hba(self._host, str(self._config.hba_file))
        authentication = Authentication(
            self._host, self._client, rules, self._services.find_role, self._deadline
        )
        applicant = Applicant(
            request.user, request.database, self._peer.address, request.is_replication
        )
        try:
            authentication.run(applicant)
        except FatalError as error:
            # The client must not learn what the log may know.
            self._refuse(error)
            error.detail = authentication.log_detail or None
            raise
        except SqlError as error:
            raise _as_fatal(error) from None
        if request.is_replication:
            raise refuse_replication()
        if self._config.log_connections:
            self._log.log(f"connection authorized: user={request.user} database={request.database}")

    def _fill_slot(self, request: StartupRequest, role: int, database: int) -> None:
        procs, slot = self._procs, self._slot
        procs.role[slot] = role
        procs.database[slot] = database
        procs.set_text(slot, "user", request.user)
        if self._peer.address is not None:
            procs.set_text(slot, "client", f"{self._peer.address} {self._peer.port}")
        # Never 0, which a slot without a key has.
        key = int.from_bytes(self._host.random_bytes(4), "little") or 1
        procs.cancel_key[slot] = key

    def _apply_settings(self, request: StartupRequest, is_superuser: bool) -> None:
        settings = self._services.settings
        settings.assign_internal("session_authorization", request.user)
        settings.assign_internal("is_superuser", is_superuser)
        for name, value in request.settings:
            try:
                settings.initialize(name, value)
            except SqlError as error:
                raise _as_fatal(error) from None
        self._procs.set_text(self._slot, "application_name", str(settings.get("application_name")))

    def _start_session(self, request: StartupRequest, who: str) -> Session:
        services, host, client = self._services, self._host, self._client
        activity = Activity(host, self._procs, self._slot, who)
        statements, portals = PreparedStatements(), Portals()
        settings, transactions = services.settings, services.transactions
        notices = NoticeSender(client.out, settings)
        engine = services.open_engine(request.user, request.database, notices.send)
        services.on_lock_wait(activity.waiting)
        context = SessionContext(
            host=host,
            client=client,
            sql=SessionSql(engine, transactions, settings, statements, portals),
            transactions=transactions,
            settings=settings,
            interrupts=self._interrupts,
            activity=activity,
            statements=statements,
            portals=portals,
            bracket=CommandBracket(
                host, transactions, settings, self._interrupts, statements, portals
            ),
            log=self._log,
        )
        session = Session(context)
        # AuthenticationOk is in `out` still: no word may come before it, not even the last.
        client.is_sending = True
        host.last_words(self._speak_last)
        self._greet()
        return session

    def _greet(self) -> None:
        """What a client learns before its first ReadyForQuery."""
        out, settings = self._client.out, self._services.settings
        for setting in SETTINGS.values():
            if setting.report:
                out += parameter_status(setting.name, settings.show(setting.name))
        out += backend_key_data(self._host.pid(), self._procs.cancel_key[self._slot])

    # endings --------------------------------------------------------------------------------------

    def _refuse(self, error: FatalError) -> None:
        """Tell the client, once, that it cannot come in."""
        if isinstance(error, ConnectionLost) or self._client.is_lost:
            return
        self._client.out += startup_error(error)
        self._client.send_urgently(bytes(self._client.out))
        self._client.out.clear()
        self._client.is_lost = True

    def _speak_last(self) -> None:
        """The last words of a backend that must quit at once (57P02, 57P01)."""
        crashed = self._services.quits_by_crash()
        notice = CRASH_NOTICE if crashed else IMMEDIATE_SHUTDOWN_NOTICE
        self._client.send_urgently(notice_message(notice))

    @property
    def _origin(self) -> str:
        peer = self._peer
        return "[local]" if peer.address is None else f"{peer.address}({peer.port})"

    def _log_received(self) -> None:
        if self._config.log_connections:
            peer = self._peer
            where = "host=[local]"
            if peer.address is not None:
                where = f"host={peer.address} port={peer.port}"
            self._log.log(f"connection received: {where}")

    def _log_disconnection(self) -> None:
        if not self._config.log_disconnections:
            return
        seconds, us = divmod(
            self._host.now_us() - self._procs.backend_start_us[self._slot], 1_000_000
        )
        user = self._procs.text(self._slot, "user")
        self._log.log(
            f"disconnection: session time: {seconds // 3600}:{seconds // 60 % 60:02}:"
            f"{seconds % 60:02}.{us // 1000:03} user={user} host={self._origin}"
        )


def serve_connection(
    process: Process, services: SessionServices, descriptor: int, peer: Peer
) -> None:
    """Serve one client until it leaves; a FATAL that the client has heard is raised on."""
    Connection(process, services, descriptor, peer).serve()


def refuse_connection(
    host: Host,
    config: Config,
    descriptor: int,
    reason: FatalError,
    procs: ProcTable | None = None,
) -> None:
    """Read the startup packet, answer with `reason`, and return.

    A cancel request is served all the same, if `procs` is given: when all slots are taken, that is
    when one is needed.
    """
    log = Log(host, config)
    interrupts = Interrupts(host)
    interrupts.terminate_raises = True
    client = Client(host, descriptor, interrupts, log)
    timeout_us = int(config.authentication_timeout) * 1_000_000
    deadline = Deadline(host.monotonic_us() + timeout_us, ClientGone(None))
    try:
        packet = receive_startup(client, deadline)
        if isinstance(packet, CancelRequest):
            if procs is not None:
                process_cancel(host, procs, log, packet)
            return
    except ClientGone:
        return
    except FatalError as error:
        log.error(error)
        client.send_urgently(startup_error(error))
        return
    log.error(reason)
    client.send_urgently(error_message(reason))


def startup_error(error: FatalError) -> bytes:
    """The error in the form that the client's version of the protocol has for it."""
    old = error.old_message() if isinstance(error, UnsupportedProtocol) else None
    return error_message(error) if old is None else old


def _as_fatal(error: SqlError) -> FatalError:
    return FatalError(error.sqlstate, error.message, detail=error.detail, hint=error.hint)
