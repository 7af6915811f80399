"""The way in: a data directory and options become a running server in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from engine.catalog.descriptors import catalog_descriptor
from engine.catalog.tables import CATALOGS
from engine.config import Config, read_configuration
from engine.errors import EngineError, FatalError
from engine.host.api import Host
from engine.host.real import RealHost
from engine.processes.postmaster.data_directory_lock import PidFile, lock_data_directory
from engine.processes.postmaster.listeners import Listeners
from engine.processes.postmaster.server import Postmaster
from engine.recovery.control import read_control_file
from engine.shmem.log import Log
from engine.wal.file_error import file_sqlstate


def run_postmaster(data_directory: str, options: Mapping[str, str] | None = None) -> NoReturn:
    """Serve the cluster in `data_directory` until told to stop; never returns.

    `options` are settings that override postgresql.conf. What can be foreseen (no cluster there,
    a server already running, a port in use, a bad setting, a corrupt pg_control) is logged as FATAL
    on stderr, and the exit status is 1.
    """
    host = RealHost(data_directory)
    host.catch_signals()
    host.exit(serve(host, data_directory, dict(options or {})))


def serve(host: Host, data_directory: str, options: dict[str, str]) -> int:
    """The postmaster behind a given door; the exit status."""
    log = Log(host, Config())
    listeners: Listeners | None = None
    pid_file: PidFile | None = None
    try:
        lock_data_directory(host, data_directory)
        config = read_configuration(host, options)
        control = read_control_file(host)
        config = config.replace(
            wal_segment_size=control.wal_segment_size, data_directory=data_directory
        )
        log = Log(host, config)
        host.set_title(f"postgres -D {data_directory}")
        for table in CATALOGS:
            catalog_descriptor(table)
        log.log(f"starting PostgreSQL {config.server_version} (engine, Python)")
        pid_file = PidFile(host, data_directory, int(config.port))
        listeners = Listeners(host, config, log)
        listeners.open()
        pid_file.set_listening(listeners.first_socket_directory, listeners.first_address)
        return Postmaster(host, config, log, listeners, pid_file).run()
    except EngineError as error:
        log.error(error)
        return 1
    except OSError as error:
        # What the disk refuses before there is a child: postmaster.pid, the lock, the log's pipe.
        where = f' in data directory "{data_directory}"'
        log.error(FatalError(file_sqlstate(error), f"could not start{where}: {error.strerror}"))
        return 1
    finally:
        if listeners is not None:
            listeners.close()
        if pid_file is not None:
            pid_file.remove()
            log.log("database system is shut down")
