"""What `chaos` can do: each command has a file of its own."""

from __future__ import annotations

import click

from chaos.cli.barriers import barriers
from chaos.cli.check import check
from chaos.cli.coverage import coverage
from chaos.cli.disk import disk
from chaos.cli.explore import explore
from chaos.cli.mutants import mutants
from chaos.cli.replay import replay
from chaos.cli.run import run
from chaos.cli.selftest import selftest
from chaos.cli.shrink import shrink
from chaos.cli.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Breaks databases on purpose and checks that nothing acknowledged is lost."""


for command in (
    run,
    replay,
    shrink,
    check,
    coverage,
    disk,
    explore,
    barriers,
    mutants,
    selftest,
    worker,
):
    commands.add_command(command)
