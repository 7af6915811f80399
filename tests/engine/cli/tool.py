"""Runs one of our commands and the tool of PostgreSQL that it follows, and compares."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import click
from click.testing import CliRunner

from tests.postgres import require_postgres


class Answer(NamedTuple):
    """What a command did."""

    status: int
    output: str
    errors: str


def ours(command: click.Command, *arguments: str | Path) -> Answer:
    """Our command, in this process."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def theirs(program: str, *arguments: str | Path) -> Answer:
    """PostgreSQL's tool, its messages with our program's name."""
    result = subprocess.run(
        [require_postgres(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"TZ": "UTC", "LC_ALL": "C"},
    )
    errors = result.stderr.replace(f"{program}: ", "engine: ")
    errors = errors.replace(f'"{program} --help"', f'"engine {program[3:]} --help"')
    return Answer(result.returncode, result.stdout, errors)
