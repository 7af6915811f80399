"""Applies a mutant to the engine in this process: to be named in `patches` of the engine target, as
`properties.mutants.applying:apply NAME`.
"""

from __future__ import annotations

import importlib

from properties.mutants.registry import module_of


def apply(name: str) -> None:
    """From now on the engine has that bug. UnknownMutant, MutantDoesNotApply."""
    importlib.import_module(module_of(name)).apply()
