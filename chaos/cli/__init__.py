"""The command `chaos`: `entry.py` is the way in, `commands.py` lists what it can do."""

from __future__ import annotations

from chaos.cli.entry import main

__all__ = ["main"]
