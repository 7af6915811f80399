"""`engine initdb`: a new cluster with the superuser postgres and the database postgres."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

import click

from engine.cli.tool import tool_command
from engine.config import Config
from engine.datadir import (
    CONFIGURATION_FILE,
    DIRECTORIES,
    HBA_FILE,
    VERSION_FILE,
    VERSION_TEXT,
)
from engine.errors import EngineError, FatalError, SqlState
from engine.host.api import Host
from engine.host.real import RealHost
from engine.host.whole_file import write_file
from engine.processes.bootstrap import bootstrap

SEGMENT_SIZES_MB: Final = tuple(1 << power for power in range(11))

_CONFIGURATION: Final = """\
# Settings of this cluster: name = value, one to a line. `SHOW ALL` lists those that exist.
# A changed setting takes effect at the next start, many also at a reload (SIGHUP to the
# postmaster).

listen_addresses = 'localhost'
port = 5432
max_connections = 100
shared_buffers = 128MB
logging_collector = on
"""

_HBA: Final = """\
# Who may connect, from where, and how they prove it: the first line that fits decides.
# TYPE  DATABASE  USER  ADDRESS       METHOD
local   all       all                 trust
host    all       all   127.0.0.1/32  scram-sha-256
host    all       all   ::1/128       scram-sha-256
"""


@tool_command()
@click.option("-D", "--pgdata", "data", envvar="PGDATA", metavar="DATADIR",
              help="Location for this cluster (or $PGDATA).")  # fmt: skip
@click.argument("directory", required=False)
@click.option("--wal-segsize", type=int, default=16, show_default=True, metavar="MB",
              help="Size of WAL segments: a power of two from 1 to 1024.")  # fmt: skip
@click.option("--pwfile", type=click.File("r"),
              help="Read the superuser's password from this file.")  # fmt: skip
def initdb(data: str | None, directory: str | None, wal_segsize: int, pwfile: click.File) -> None:
    """Create a new cluster."""
    path = data or directory
    if path is None:
        _fail("no data directory specified\nGive it with -D DATADIR or in $PGDATA.")
    if wal_segsize not in SEGMENT_SIZES_MB:
        _fail("argument of --wal-segsize must be a power of two between 1 and 1024")
    password = None
    if pwfile is not None:
        password = pwfile.readline().rstrip("\n")  # type: ignore[attr-defined]
        if not password:
            _fail("password file is empty")
    try:
        initialize(path, wal_segment_mb=wal_segsize, password=password)
    except EngineError as error:
        _fail(error.message + (f"\nHINT:  {error.hint}" if error.hint else ""))
    except OSError as error:
        _fail(f'could not create the cluster in "{path}": {error.strerror}')
    click.echo("\nSuccess. You can now start the database server using:\n")
    click.echo(f"    engine start -D {path} -l logfile\n")


def initialize(path: str, *, wal_segment_mb: int = 16, password: str | None = None) -> None:
    """Create the cluster; FatalError when the directory is in use, OSError as the disk says."""
    initialize_through(RealHost(path), path, wal_segment_mb=wal_segment_mb, password=password)


def initialize_through(
    host: Host, path: str, *, wal_segment_mb: int = 16, password: str | None = None
) -> None:
    """The same through a given door, which leads to that directory."""
    status = host.stat("")
    if status is not None and host.list_directory(""):
        raise FatalError(
            SqlState.CONFIG_FILE_ERROR,
            f'directory "{path}" exists but is not empty',
            hint=f'Remove or empty the directory "{path}", or give another one with -D.',
        )
    if status is None:
        host.make_directory("")
    for directory in DIRECTORIES:
        host.make_directory(directory)
    write_file(host, VERSION_FILE, VERSION_TEXT.encode())
    write_file(host, CONFIGURATION_FILE, _CONFIGURATION.encode())
    write_file(host, HBA_FILE, _HBA.encode())
    config = Config({"wal_segment_size": wal_segment_mb << 20, "shared_buffers": 256})
    bootstrap(host, config, password)
    for directory in (*DIRECTORIES, ""):
        host.fsync_directory(directory)


def _fail(message: str) -> NoReturn:
    click.echo(f"engine: error: {message}", err=True)
    sys.exit(1)
