"""`engine single`: statements from stdin to a process that runs alone, one to a line.

For each statement its rows, columns apart by `|` and null as nothing, as `psql -At` prints them,
then its command tag. An error goes to stderr with its SQLSTATE, and the next line is read; the
exit status is 1 then.

Ctrl-C ends it with exit status 130: while it waits for a line, as the end of input does; in a
statement at once, as if it had died.
"""

from __future__ import annotations

import sys
from typing import Final, NoReturn

import click

from engine.cli.server import DATA_OPTION, SETTINGS_OPTION, data_host, read_options
from engine.cli.tool import tool_command
from engine.errors import EngineError, InvariantViolation, SqlError
from engine.processes.single_user import SingleUser

INTERRUPTED: Final = 130
"""What a shell makes of a death by SIGINT."""


class _InAStatement(Exception):
    """Ctrl-C came while the database was at work."""


@tool_command()
@DATA_OPTION
@SETTINGS_OPTION
@click.argument("database", default="postgres")
def single(data: str | None, settings: tuple[str, ...], database: str) -> None:
    """Run statements, read from standard input, on a database without a server.

    One statement to a line. Recovers first if need be; at the end of input the cluster is shut
    down in order.
    """
    host = data_host(data)
    process = SingleUser(host, host.root, read_options(None, None, settings))
    try:
        process.start(database)
        status = _serve(process)
        process.shut_down()
    except (EngineError, InvariantViolation, OSError) as error:
        _fail(error)
    except (KeyboardInterrupt, _InAStatement):
        click.echo("engine: interrupted; the next start recovers the database", err=True)
        status = INTERRUPTED
    finally:
        process.leave()
    sys.exit(status)


def _serve(process: SingleUser) -> int:
    """Run line after line, to the end of input or to Ctrl-C between two statements; the exit
    status.
    """
    status = 0
    try:
        while line := sys.stdin.readline():
            if line.strip() and not _run(process, line.strip()):
                status = 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _run(process: SingleUser, text: str) -> bool:
    try:
        answers = process.execute(text)
    except KeyboardInterrupt:
        raise _InAStatement from None
    except SqlError as error:
        click.echo(f"{error.level}:  {error.sqlstate}: {error.message}", err=True)
        for title, more in (("DETAIL", error.detail), ("HINT", error.hint)):
            if more:
                click.echo(f"{title}:  {more}", err=True)
        return False
    for answer in answers:
        if answer.columns:
            click.echo("|".join(answer.columns))
        for row in answer.rows:
            click.echo("|".join("" if value is None else value for value in row))
        click.echo(answer.tag)
    return True


def _fail(error: Exception) -> NoReturn:
    if isinstance(error, EngineError):
        click.echo(f"{error.level}:  {error.sqlstate}: {error.message}", err=True)
        if error.hint:
            click.echo(f"HINT:  {error.hint}", err=True)
    elif isinstance(error, OSError):
        click.echo(f"engine: {error.strerror}: {error.filename or 'data directory'}", err=True)
    else:
        click.echo(f"PANIC:  {error}", err=True)
    sys.exit(1)
