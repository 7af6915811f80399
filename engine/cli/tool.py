"""What the commands share: PostgreSQL's exit codes and error lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import click

HELP_OPTIONS: Final = {"help_option_names": ["-?", "-h", "--help"]}


class Tool(click.Command):
    """A command whose wrong usage ends with exit status 1, as that of PostgreSQL's tools."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings["context_settings"] = HELP_OPTIONS | (settings.get("context_settings") or {})
        super().__init__(*args, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, self.prepare(args))
        except click.UsageError as error:
            error.show()
            sys.exit(1)

    def prepare(self, args: list[str]) -> list[str]:
        """Arguments as they were typed to arguments as click understands them."""
        return args


class ToolGroup(click.Group):
    """A group of tools: no such tool is wrong usage, too."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            error.show()
            sys.exit(1)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.show()
            sys.exit(1)


def tool_command(
    command: type[Tool] = Tool,
) -> Callable[[Callable[..., None]], click.Command]:
    """The decorator that makes a function a `Tool`."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        return click.command(cls=command)(function)

    return decorate


def fail(message: str, *, detail: str | None = None, hint: str | None = None) -> NoReturn:
    """Say why, and end with exit status 1."""
    sys.stdout.flush()
    click.echo(f"engine: error: {message}", err=True)
    if detail is not None:
        click.echo(f"engine: detail: {detail}", err=True)
    if hint is not None:
        click.echo(f"engine: hint: {hint}", err=True)
    sys.exit(1)
