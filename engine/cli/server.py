"""`engine start`, `stop` and `status`: what pg_ctl does, with its words and exit codes."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

import click

from engine.cli.tool import tool_command
from engine.config import SETTINGS
from engine.datadir import PID_FILE, VERSION_FILE
from engine.host.api import OpenMode, Signal
from engine.host.real import RealHost
from engine.processes.postmaster.data_directory_lock import READY, read_lines, read_pid
from engine.processes.postmaster.entry import run_postmaster

NOT_RUNNING: Final = 3
STATUS_UNKNOWN: Final = 4
"""The Linux Standard Base's, for `status` in a wrong directory; `start` and `stop` fail with 1."""
_POLL_MS: Final = 10
_DOT_MS: Final = 1000
_MODES: Final = {
    "smart": Signal.TERM, "fast": Signal.INT, "immediate": Signal.QUIT,
    "s": Signal.TERM, "f": Signal.INT, "i": Signal.QUIT,
}  # fmt: skip

DATA_OPTION = click.option(
    "-D", "--pgdata", "data", envvar="PGDATA", metavar="DATADIR",
    help="Location of the data directory (or $PGDATA).",
)  # fmt: skip
SETTINGS_OPTION = click.option(
    "-c", "--set", "settings", multiple=True, metavar="NAME=VALUE",
    help="Set a configuration parameter; may be given several times.",
)  # fmt: skip
_TIMEOUT_OPTION = click.option(
    "-t", "--timeout", default=60, show_default=True, metavar="SECS",
    help="Seconds to wait when waiting.",
)  # fmt: skip


@tool_command()
@DATA_OPTION
@click.option("-p", "--port", type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("-k", "socket_directory", metavar="DIR", help="Directory of the Unix socket.")
@click.option("-l", "--log", "log_file", metavar="FILE", help="Append the server's output to FILE.")
@SETTINGS_OPTION
@click.option("-w/-W", "--wait/--no-wait", default=True, help="Wait until started (default).")
@_TIMEOUT_OPTION
def start(
    data: str | None,
    port: int | None,
    socket_directory: str | None,
    log_file: str | None,
    settings: tuple[str, ...],
    wait: bool,
    timeout: int,
) -> None:
    """Start the server of a data directory, in the background."""
    host = data_host(data)
    options = read_options(port, socket_directory, settings)
    output = _open_log(host, log_file)
    if _pid(host) is not None:
        click.echo(
            "engine: another server might be running; trying to start server anyway", err=True
        )

    def serve() -> None:
        host.detach()
        if output is not None:
            host.redirect_output(output)
        run_postmaster(host.root, options)

    pid = host.fork("postmaster", 0, serve)
    if not wait:
        click.echo("server starting")
        return
    click.echo("waiting for server to start...", nl=False)
    for waited_ms in range(0, timeout * 1000, _POLL_MS):
        lines = read_lines(host)
        if len(lines) >= 8 and lines[0] == str(pid) and lines[7] == READY:
            click.echo(" done\nserver started")
            return
        if host.reap():
            click.echo(" stopped waiting")
            _fail("could not start server\nExamine the log output.")
        _pause(host, waited_ms)
    click.echo(" stopped waiting")
    _fail("server did not start in time")


@tool_command()
@DATA_OPTION
@click.option("-m", "--mode", metavar="smart|fast|immediate", default="fast", show_default=True,
              help="How to shut down.")  # fmt: skip
@click.option("-w/-W", "--wait/--no-wait", default=True, help="Wait until stopped (default).")
@_TIMEOUT_OPTION
def stop(data: str | None, mode: str, wait: bool, timeout: int) -> None:
    """Stop the server of a data directory."""
    if mode not in _MODES:
        _fail(
            f'unrecognized shutdown mode "{mode}"\nTry "engine stop --help" for more information.'
        )
    host = data_host(data)
    pid = _pid(host)
    if pid is None:
        _fail(f'PID file "{host.root}/{PID_FILE}" does not exist\nIs server running?')
    if pid < 0:
        _fail(f"cannot stop server; single-user server is running (PID: {-pid})")
    try:
        sent = host.process_exists(pid) and host.signal(pid, _MODES[mode])
    except OSError as error:
        _fail(f"could not send stop signal (PID: {pid}): {error.strerror}")
    if not sent:
        _fail(f"could not send stop signal (PID: {pid}): No such process\nIs server running?")
    if not wait:
        click.echo("server shutting down")
        return
    click.echo("waiting for server to shut down...", nl=False)
    for waited_ms in range(0, timeout * 1000, _POLL_MS):
        if read_pid(host) != pid and not host.process_exists(pid):
            click.echo(" done\nserver stopped")
            return
        _pause(host, waited_ms)
    click.echo(" failed")
    hint = '\nThe "-m fast" option immediately disconnects sessions.' if mode[0] == "s" else ""
    _fail(f"server does not shut down{hint}")


@tool_command()
@DATA_OPTION
def status(data: str | None) -> None:
    """Say whether a server runs in a data directory: exit code 0 when it does, 3 when not."""
    host = data_host(data, STATUS_UNKNOWN)
    pid = _pid(host)
    if pid is None or not host.process_exists(abs(pid)):
        click.echo("engine: no server running")
        sys.exit(NOT_RUNNING)
    if pid < 0:
        click.echo(f"engine: single-user server is running (PID: {-pid})")
        return
    click.echo(f"engine: server is running (PID: {pid})")
    click.echo(f'engine "-D" "{host.root}"')


def data_host(data: str | None, wrong_status: int = 1) -> RealHost:
    """A host for the data directory; `wrong_status` is the exit status when it is none."""
    if not data:
        _fail(
            "no database directory specified and environment variable PGDATA unset\n"
            'Try "engine COMMAND --help" for more information.'
        )
    host = RealHost(data)
    try:
        there, cluster = host.stat("") is not None, host.stat(VERSION_FILE) is not None
    except OSError as error:
        _fail(f'could not access directory "{data}": {error.strerror}', wrong_status)
    if not there:
        _fail(f'directory "{data}" does not exist', wrong_status)
    if not cluster:
        _fail(f'directory "{data}" is not a database cluster directory', wrong_status)
    return host


def _pid(host: RealHost) -> int | None:
    try:
        return read_pid(host)
    except OSError as error:
        _fail(f'could not open PID file "{host.root}/{PID_FILE}": {error.strerror}')


def read_options(
    port: int | None, socket_directory: str | None, settings: tuple[str, ...]
) -> dict[str, str]:
    options = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            _fail(f"-c {setting} is not NAME=VALUE")
        if name.lower() not in SETTINGS:
            _fail(f'unrecognized configuration parameter "{name}"')
        options[name.lower()] = value
    if port is not None:
        options["port"] = str(port)
    if socket_directory is not None:
        options["unix_socket_directories"] = socket_directory
    return options


def _open_log(host: RealHost, log_file: str | None) -> int | None:
    if log_file is None:
        return None
    path = log_file if log_file.startswith("/") else click.format_filename(_absolute(log_file))
    try:
        return host.open(path, OpenMode.WRITE | OpenMode.CREATE | OpenMode.APPEND)
    except OSError as error:
        _fail(f'could not open log file "{log_file}": {error.strerror}')


def _absolute(path: str) -> str:
    return f"{RealHost('.').root}/{path}"


def _pause(host: RealHost, waited_ms: int) -> None:
    if waited_ms and waited_ms % _DOT_MS == 0:
        click.echo(".", nl=False)
    host.sleep(_POLL_MS)


def _fail(message: str, status: int = 1) -> NoReturn:
    click.echo(f"engine: {message}", err=True)
    sys.exit(status)
