"""`python -m chaos`."""

from __future__ import annotations

from chaos.cli.entry import main

main()
