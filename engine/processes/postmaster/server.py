"""The postmaster's own life: accept, fork, reap, and move from state to state.

Job: own the listening sockets, the shared memory and all children; restart them after a crash.
Started by: `engine start`, or whoever calls `run_postmaster`.
Ends on: a shutdown request (TERM smart, INT fast, QUIT immediate), or when recovery fails.
If it dies: every child notices at its next wait and exits; the next postmaster replays the WAL.

PM-2  A child that ends abnormally may have left shared memory half changed: all others quit at
      once, the memory is made anew, and recovery runs, before anybody is let in again.
PM-3  The postmaster reads and writes no shared structure that a dying child can leave broken.
PM-4  A child that does not quit within 5 s of being told so is killed.
PM-6  What the postmaster itself cannot get from the machine (a process, room for its pid file) is
      logged and tried again, or ends it in order; it never leaves children behind.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from engine.config import Config, reread_configuration
from engine.datadir import PID_FILE
from engine.errors import EngineError, FatalError, SqlState, check
from engine.host.api import ChildExit, Host, Peer, Signal
from engine.host.points import Point
from engine.instance import Shared
from engine.processes import backend, child, logger
from engine.processes.child_table import AUXILIARY_CHILDREN, BACKEND_GOOD_STATUS
from engine.processes.postmaster.children import Child, Children, describe_exit
from engine.processes.postmaster.data_directory_lock import READY, STOPPING, PidFile
from engine.processes.postmaster.listeners import Listeners
from engine.processes.postmaster.states import TRANSITIONS, PostmasterState, Shutdown
from engine.shmem.log import Log
from engine.shmem.procs import BACKEND_TYPE_NAMES, DEAD_END_ROLE, BackendType

KILL_CHILDREN_AFTER_MS: Final = 5000
FORK_AGAIN_AFTER_MS: Final = 1000
_AUXILIARIES_OF_A_SHUTDOWN: Final = (
    BackendType.CHECKPOINTER, BackendType.LOGGER,
)  # fmt: skip

_S = PostmasterState


class Postmaster:
    """One postmaster, from its first fork to its exit."""

    def __init__(
        self,
        host: Host,
        config: Config,
        log: Log,
        listeners: Listeners,
        pid_file: PidFile,
    ) -> None:
        self._host = host
        self._config = config
        self._log = log
        self._listeners = listeners
        self._pid_file = pid_file
        self._children = Children(int(config.max_connections))
        self._state = _S.INIT
        self._shutdown = Shutdown.NONE
        self._crashed = False
        self._recovers_from_crash = False
        self._startup_failed = False
        self._startup_told_to_quit = False
        self._kill_at_us: int | None = None
        self._fork_again_at_us: int | None = None
        self._log_pipe: tuple[int, int] | None = None
        self._shared: Shared

    def run(self) -> int:
        """Serve until told to stop; the exit status."""
        if self._config.logging_collector:
            self._log_pipe = self._host.pipe()
            self._start_logger(self._log_pipe)
            self._log.log(
                "redirecting log output to logging collector process",
                hint=f'Future log output will appear in directory "{self._config.log_directory}".',
            )
            self._host.redirect_output(self._log_pipe[1])
        self._make_shared_memory()
        self._enter_startup()
        while True:
            status = self._advance()
            if status is not None:
                return status
            self._host.wait(self._timeout_ms(), read=self._listeners.descriptors)
            descriptors = list(self._host.ready_descriptors())
            for signal in self._host.take_signals():
                self._on_signal(signal)
            for listener in descriptors:
                self._accept(listener)
            for ended in self._host.reap():
                self._on_child_exit(ended)
            self._kill_the_stubborn()
            self._start_missing()

    # shared memory and states ---------------------------------------------------------------------

    def _make_shared_memory(self) -> None:
        self._shared = Shared(self._host, self._config)

    def _move_to(self, state: PostmasterState) -> None:
        check(state in TRANSITIONS[self._state], "PM-5", "no such transition",
              old=self._state.name, new=state.name)  # fmt: skip
        self._state = state

    def _enter_startup(self) -> None:
        self._move_to(_S.STARTUP)
        self._startup_told_to_quit = False
        self._start_missing()
        if not self._start(BackendType.STARTUP):
            self._give_up()

    def _advance(self) -> int | None:
        """Make every transition that the children's absence allows; a status ends it all."""
        if self._state is _S.STOP_BACKENDS:
            self._stop_backends()
        if self._state is _S.WAIT_BACKENDS and not self._waits_for_backends():
            self._backends_are_gone()
        if self._state is _S.WAIT_DEAD_END and not self._children.except_for(BackendType.LOGGER):
            self._move_to(_S.NO_CHILDREN)
        if self._state is _S.NO_CHILDREN:
            return self._all_are_gone()
        return None

    def _stop_backends(self) -> None:
        """Tell all who serve clients, and those who only help them, to stop."""
        self._signal(self._children.except_for(*_AUXILIARIES_OF_A_SHUTDOWN), Signal.TERM)
        self._move_to(_S.WAIT_BACKENDS)

    def _waits_for_backends(self) -> bool:
        awaited = self._children.except_for(*_AUXILIARIES_OF_A_SHUTDOWN)
        if self._crashed or self._shutdown is Shutdown.IMMEDIATE:
            awaited = self._children.except_for(BackendType.LOGGER)
        return any(child.slot is not None for child in awaited)

    def _backends_are_gone(self) -> None:
        if self._crashed or self._shutdown is Shutdown.IMMEDIATE or self._startup_failed:
            self._move_to(_S.WAIT_DEAD_END)
            return
        self._move_to(_S.SHUTDOWN)
        if not self._children.has(BackendType.CHECKPOINTER) and not self._start(
            BackendType.CHECKPOINTER
        ):
            # No shutdown checkpoint, then: the next start will recover.
            self._crashed = True
            self._tell_all_to_quit()
        self._signal(self._children.of(BackendType.CHECKPOINTER), Signal.USR2)

    def _all_are_gone(self) -> int | None:
        if self._startup_failed:
            self._log.log("shutting down due to startup process failure")
            return 1
        if self._shutdown is not Shutdown.NONE:
            if self._crashed:
                self._log.log("abnormal database system shutdown")
            return 1 if self._crashed else 0
        if not self._config.restart_after_crash:
            self._log.log("shutting down because restart_after_crash is off")
            return 1
        self._log.log("all server processes terminated; reinitializing")
        self._make_shared_memory()
        self._crashed, self._recovers_from_crash = False, True
        self._kill_at_us = None
        self._enter_startup()
        return None

    # signals --------------------------------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        if signal is Signal.HUP:
            self._reload()
        elif signal is Signal.TERM:
            self._request_shutdown(Shutdown.SMART)
        elif signal is Signal.INT:
            self._request_shutdown(Shutdown.FAST)
        elif signal is Signal.QUIT:
            self._request_shutdown(Shutdown.IMMEDIATE)

    def _request_shutdown(self, kind: Shutdown) -> None:
        if kind <= self._shutdown:
            return
        self._shutdown = kind
        self._log.log(f"received {kind.name.lower()} shutdown request")
        self._show_status(STOPPING)
        if kind is Shutdown.IMMEDIATE:
            self._tell_all_to_quit()
        elif kind is Shutdown.FAST and self._state in (_S.STARTUP, _S.RUN):
            if self._state is _S.RUN:
                self._log.log("aborting any active transactions")
            self._move_to(_S.STOP_BACKENDS)
        elif kind is Shutdown.FAST and self._state is _S.WAIT_BACKENDS:
            self._signal(self._children.of(BackendType.CLIENT_BACKEND), Signal.TERM)
        self._stop_when_smart()

    def _show_status(self, status: str) -> None:
        try:
            self._pid_file.set_status(status)
        except OSError as error:
            self._log.log(f'could not write to file "{PID_FILE}": {error.strerror}')

    def _stop_when_smart(self) -> None:
        """A smart shutdown goes on when the last client has left."""
        if (
            self._shutdown is Shutdown.SMART
            and self._state is _S.RUN
            and not self._children.of(BackendType.CLIENT_BACKEND)
        ):
            self._move_to(_S.STOP_BACKENDS)

    def _reload(self) -> None:
        try:
            # What shared memory was laid out for stays, also in a crash restart.
            self._config, in_vain = reread_configuration(self._host, self._config)
        except EngineError as error:
            self._log.error(error)
            self._log.log("configuration file contains errors; no changes were applied")
            return
        self._log.log("received SIGHUP, reloading configuration files")
        for name in in_vain:
            self._log.log(f'parameter "{name}" cannot be changed without restarting the server')
        self._signal(self._children.except_for(BackendType.LOGGER), Signal.HUP)

    def _signal(self, children: list[Child], signal: Signal) -> None:
        for each in children:
            self._host.signal(each.pid, signal)

    def _tell_all_to_quit(self) -> None:
        """PM-2: QUIT to everyone but the logger; who does not listen is killed (PM-4)."""
        self._startup_told_to_quit = self._children.has(BackendType.STARTUP)
        self._signal(self._children.except_for(BackendType.LOGGER), Signal.QUIT)
        if self._kill_at_us is None:
            self._kill_at_us = self._host.monotonic_us() + KILL_CHILDREN_AFTER_MS * 1000
        if self._state in (_S.STARTUP, _S.RUN, _S.STOP_BACKENDS, _S.SHUTDOWN):
            self._move_to(_S.WAIT_BACKENDS)

    def _kill_the_stubborn(self) -> None:
        if self._kill_at_us is not None and self._host.monotonic_us() >= self._kill_at_us:
            stubborn = self._children.except_for(BackendType.LOGGER)
            if stubborn:
                self._log.log("issuing SIGKILL to recalcitrant children")
            self._signal(stubborn, Signal.KILL)
            self._kill_at_us = None

    def _timeout_ms(self) -> float | None:
        moments = [at for at in (self._kill_at_us, self._fork_again_at_us) if at is not None]
        if not moments:
            return None
        return max(0.0, (min(moments) - self._host.monotonic_us()) / 1000)

    # children -------------------------------------------------------------------------------------

    def _start(self, kind: BackendType) -> bool:
        """Fork an auxiliary process; False when that cannot be done now (PM-6)."""
        main = AUXILIARY_CHILDREN[kind].main
        shared = self._shared
        return self._try_fork(kind, lambda: child.run(self._host, shared, self._config, kind, main))

    def _start_logger(self, pipe: tuple[int, int], restarted: bool = False) -> None:
        self._try_fork(
            BackendType.LOGGER, lambda: logger.main(self._host, self._config, pipe, restarted)
        )

    def _try_fork(self, kind: BackendType, main: Callable[[], None]) -> bool:
        try:
            self._fork(kind, kind.value, main)
        except OSError as error:
            who = Child(0, kind, kind.value).description
            self._log.log(f"could not fork {who}: {error.strerror}")
            self._fork_again_at_us = self._host.monotonic_us() + FORK_AGAIN_AFTER_MS * 1000
            return False
        return True

    def _fork(self, kind: BackendType, slot: int | None, main: Callable[[], None]) -> None:
        latch, role = slot, BACKEND_TYPE_NAMES[kind].role
        if latch is None:
            latch, role = Shared.dead_end_latch(self._config), DEAD_END_ROLE

        def in_child() -> None:
            self._listeners.close_in_child()
            main()

        pid = self._host.fork(role, latch, in_child)
        self._children.add(Child(pid, kind, slot))
        self._host.point(Point.CHILD_FORKED, pid)

    def _start_missing(self) -> None:
        if self._fork_again_at_us is not None:
            if self._host.monotonic_us() < self._fork_again_at_us:
                return
            self._fork_again_at_us = None
        if self._log_pipe is not None and not self._children.has(BackendType.LOGGER):
            self._start_logger(self._log_pipe, restarted=True)
        for kind, row in AUXILIARY_CHILDREN.items():
            if self._state in row.needed_in and not self._children.has(kind):
                self._start(kind)

    def _on_child_exit(self, ended: ChildExit) -> None:
        gone = self._children.remove(ended.pid)
        if gone is None:
            return
        if gone.kind is BackendType.LOGGER:
            if ended.status != 0:
                self._log.log(describe_exit(gone, ended))
        elif gone.kind is BackendType.STARTUP:
            self._on_startup_exit(gone, ended)
        elif gone.kind is BackendType.CHECKPOINTER and ended.status == 0:
            self._on_checkpointer_done(gone, ended)
        elif ended.status is None or ended.status not in self._good_status(gone.kind):
            self._on_crash(gone, ended)
        self._stop_when_smart()

    def _good_status(self, kind: BackendType) -> tuple[int, ...]:
        if kind is BackendType.CLIENT_BACKEND:
            return BACKEND_GOOD_STATUS
        return AUXILIARY_CHILDREN[kind].good_status

    def _on_startup_exit(self, gone: Child, ended: ChildExit) -> None:
        if ended.status == 0 and self._state is _S.STARTUP:
            self._move_to(_S.RUN)
            self._recovers_from_crash = False
            self._start_missing()
            self._log.log("database system is ready to accept connections")
            self._show_status(READY)
        elif self._startup_told_to_quit or self._shutdown is not Shutdown.NONE:
            return
        elif self._state is _S.STARTUP:
            self._log.log(describe_exit(gone, ended))
            self._give_up()

    def _give_up(self) -> None:
        """Another startup process would meet the same WAL: end all children, then ourselves."""
        self._log.log("terminating any other active server processes")
        self._startup_failed = True
        self._tell_all_to_quit()

    def _on_checkpointer_done(self, gone: Child, ended: ChildExit) -> None:
        if self._state is _S.SHUTDOWN:
            self._move_to(_S.WAIT_DEAD_END)
            self._signal(self._children.except_for(BackendType.LOGGER), Signal.TERM)
        else:
            self._on_crash(gone, ended)

    def _on_crash(self, gone: Child, ended: ChildExit) -> None:
        """PM-2, once: those told to quit end like crashed ones. So do all after an immediate
        shutdown or a failed startup, as told."""
        expected = self._shutdown is Shutdown.IMMEDIATE or self._startup_failed
        if self._crashed or expected:
            return
        self._log.log(describe_exit(gone, ended))
        self._log.log("terminating any other active server processes")
        self._crashed = True
        self._shared.announce_crash()
        self._tell_all_to_quit()

    # clients --------------------------------------------------------------------------------------

    def _accept(self, listener: int) -> None:
        try:
            connection, peer = self._host.accept(listener)
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._log.log(f"could not accept new connection: {error.strerror}")
            self._host.sleep(100)
            return
        try:
            self._fork_backend(connection, peer)
        except OSError as error:
            self._log.log(f"could not fork new process for connection: {error.strerror}")
        finally:
            with suppress(OSError):
                self._host.close(connection)

    def _fork_backend(self, connection: int, peer: Peer) -> None:
        refusal = self._refusal()
        slot = self._children.take_backend_slot() if refusal is None else None
        if refusal is None and slot is None:
            refusal = FatalError(SqlState.TOO_MANY_CONNECTIONS, "sorry, too many clients already")
        shared = self._shared
        if refusal is not None or slot is None:
            self._fork(
                BackendType.CLIENT_BACKEND, None,
                lambda: backend.refuse(self._host, shared, self._config, connection, refusal),
            )  # fmt: skip
            return
        try:
            self._fork(
                BackendType.CLIENT_BACKEND, slot,
                lambda: backend.serve(self._host, shared, self._config, slot, connection, peer),
            )  # fmt: skip
        except OSError:
            self._children.give_back_slot(slot)
            raise

    def _refusal(self) -> FatalError | None:
        """Why no client may come in now (`canAcceptConnections`)."""
        if self._state is _S.RUN and self._shutdown is Shutdown.NONE:
            return None
        if self._shutdown is not Shutdown.NONE:
            reason = "the database system is shutting down"
        elif self._crashed or self._recovers_from_crash:
            reason = "the database system is in recovery mode"
        else:
            reason = "the database system is starting up"
        return FatalError(SqlState.CANNOT_CONNECT_NOW, reason)
