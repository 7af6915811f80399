"""What `chaos` can do: each command has a file of its own."""

from __future__ import annotations

import click

from chaos.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Breaks databases on purpose and checks that nothing acknowledged is lost."""


for command in (run,):
    commands.add_command(command)
