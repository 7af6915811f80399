"""A process that runs alone: single-user mode, `postgres --single`.

Job: recover the cluster, then run statements, with no postmaster and no other process.
Started by: `engine single`, or whoever wants the answers of a cluster and not its server.
Ends on: the end of its statements, with a shutdown checkpoint; or without, then as if it had died.
If it dies: the next start, alone or not, replays the WAL, as after any crash.

It is what the processes of a server are, one after another, over the same shared memory: the
startup process until recovery is over, then a backend. Checkpoints it makes itself, when it is
asked for one: none by time or by volume, as in PostgreSQL.

Source: PostgreSQL 15, `PostgresSingleUserMain`, tcop/postgres.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.backend.direct import Answer, DirectSession
from engine.config import Config, read_configuration
from engine.errors import FatalError, Notice, SqlState
from engine.host.api import Host
from engine.instance import Instance, Shared
from engine.processes import startup
from engine.processes.backend_services import BackendServices
from engine.processes.postmaster.data_directory_lock import PidFile, lock_data_directory
from engine.recovery.checkpoint import Checkpoints
from engine.recovery.checkpoint_request import CheckpointFlags
from engine.recovery.control import read_control_file
from engine.shmem.log import Log
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType

SUPERUSER: Final = "postgres"


class Prepared:
    """What can be made before it is known what is in the data directory: the shared memory.

    `config` is that of the cluster; a process that finds another one there makes its own.
    """

    def __init__(
        self, host: Host, data_directory: str, options: Mapping[str, str] | None = None
    ) -> None:
        self.config = _configuration(host, options or {}, data_directory)
        self.shared = Shared(host, self.config)

    def shared_for(self, host: Host, config: Config) -> Shared:
        """The shared memory for a cluster with that configuration, and its pg_control in it."""
        if not config.is_same_as(self.config):
            return Shared(host, config)
        self.shared.control.initialize(read_control_file(host))
        return self.shared


class SingleUser:
    """One process over one cluster, from the lock to the end.

    `start` recovers; `execute` runs statements; `shut_down` ends in order. Each raises what it
    meets: a FATAL or PANIC, or a broken invariant, is the end, and only `leave` may follow.
    """

    def __init__(
        self, host: Host, data_directory: str, options: Mapping[str, str] | None = None
    ) -> None:
        self._host = host
        self._data_directory = data_directory
        self._options = dict(options or {})
        self._log = Log(host, Config())
        self._lock: int | None = None
        self._pid_file: PidFile | None = None
        self._instance: Instance
        self._checkpoints: Checkpoints
        self._session: DirectSession | None = None

    def start(self, database: str, prepared: Prepared | None = None) -> None:
        """Lock the directory, recover, and open a session in the database."""
        host = self._host
        self._lock = lock_data_directory(host, self._data_directory)
        config = _configuration(host, self._options, self._data_directory)
        self._log = Log(host, config)
        self._pid_file = PidFile(host, self._data_directory, int(config.port), is_alone=True)
        shared = prepared.shared_for(host, config) if prepared else Shared(host, config)
        recovery = self._become(shared, config, BackendType.STARTUP, BackendType.STARTUP)
        startup.main(recovery)
        recovery.leave()
        recovery.smgr.close_all()
        self._instance = self._become(
            shared, config, BackendType.CLIENT_BACKEND, FIRST_BACKEND_SLOT
        )
        try:
            self._session = self._open_session(database)
        except FatalError:
            self.shut_down()
            raise

    def execute(self, text: str) -> list[Answer]:
        """Run the statements of one text; SqlError when one fails, and the transaction with it."""
        if self._session is None:
            raise FatalError(SqlState.CANNOT_CONNECT_NOW, "the database system is starting up")
        return self._session.execute(text)

    def shut_down(self) -> None:
        """Roll back what is open, make the shutdown checkpoint, leave."""
        if self._session is not None:
            self._session.end()
        self._log.log("shutting down")
        self._checkpoints.create(CheckpointFlags.IS_SHUTDOWN | CheckpointFlags.IMMEDIATE)
        self.leave()
        self._log.log("database system is shut down")

    def leave(self) -> None:
        """Go, as things are: the next start recovers what is not on the disk."""
        if self._pid_file is not None:
            self._pid_file.remove()
            self._pid_file = None
        if self._lock is not None:
            self._host.close(self._lock)
            self._lock = None

    @property
    def wal_end_lsn(self) -> int:
        """Up to where WAL is on the disk."""
        return self._instance.wal.flushed_lsn()

    def _become(self, shared: Shared, config: Config, kind: BackendType, slot: int) -> Instance:
        """What a process of that kind would be; checkpoints are made with its services."""
        instance = Instance(self._host, shared, config, kind, slot, is_alone=True)
        self._checkpoints = Checkpoints(
            instance.host,
            instance.log,
            config,
            wal=instance.wal,
            control=instance.control,
            buffers=instance.buffers,
            clog=instance.clog,
            sync=instance.sync,
            xids=instance.xids,
            proc_array=instance.proc_array,
            procs=instance.procs,
            requests=instance.checkpoint_requests,
        )
        instance.checkpoint_requests.make_alone = self._checkpoints.create
        return instance

    def _open_session(self, database: str) -> DirectSession:
        instance = self._instance
        services = BackendServices(instance)
        oid = services.find_database(database)
        if oid is None:
            raise FatalError(SqlState.INVALID_CATALOG_NAME, f'database "{database}" does not exist')
        instance.procs.database[instance.slot] = oid
        instance.interrupts.terminate_raises = True
        services.settings.assign_internal("session_authorization", SUPERUSER)
        services.settings.assign_internal("is_superuser", True)
        engine = services.open_engine(SUPERUSER, database, self._notice)
        return DirectSession(instance.host, services, engine, instance.interrupts, instance.log)

    def _notice(self, notice: Notice) -> None:
        self._log.write(notice.severity, notice.message, notice.detail or "", notice.hint or "")


def _configuration(host: Host, options: Mapping[str, str], data_directory: str = "") -> Config:
    config = read_configuration(host, options)
    segment_size = read_control_file(host).wal_segment_size
    return config.replace(wal_segment_size=segment_size, data_directory=data_directory)
