"""The command `engine`: initdb, start, stop, status, single, and the tools that read the files."""

from __future__ import annotations

import click

from engine.cli.check import check
from engine.cli.controldata import controldata
from engine.cli.initdb import initdb
from engine.cli.pagedump import pagedump
from engine.cli.server import start, status, stop
from engine.cli.single import single
from engine.cli.tool import HELP_OPTIONS, ToolGroup
from engine.cli.waldump import waldump
from engine.config import Config


@click.group(cls=ToolGroup, context_settings=HELP_OPTIONS)
@click.version_option(
    Config().server_version, "-V", "--version", message="engine (PostgreSQL) %(version)s"
)
def main() -> None:
    """A multi-process database engine with PostgreSQL 15's process architecture and files."""


for command in (initdb, start, stop, status, single, controldata, waldump, pagedump, check):
    main.add_command(command)
