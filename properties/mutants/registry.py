"""Which mutants there are: the modules of this package that are not its machinery, by name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final, cast

import properties.mutants
from properties.mutants.api import Mutant, UnknownMutant

MACHINERY: Final = frozenset({"api", "applying", "harness", "registry"})


def names() -> list[str]:
    """All of them, sorted."""
    found = (module.name for module in pkgutil.iter_modules(properties.mutants.__path__))
    return sorted(name.replace("_", "-") for name in found if name not in MACHINERY)


def module_of(name: str) -> str:
    """The module of that mutant; UnknownMutant."""
    if name not in names():
        raise UnknownMutant(f"there is no mutant {name!r}; `chaos mutants` lists them")
    return f"{properties.mutants.__name__}.{name.replace('-', '_')}"


def mutant(name: str) -> Mutant:
    """What is known of it; UnknownMutant."""
    found = cast(Mutant, importlib.import_module(module_of(name)).MUTANT)
    if found.name != name:
        raise UnknownMutant(f"the module of {name!r} calls itself {found.name!r}")
    return found


def mutants() -> list[Mutant]:
    """All of them, by name."""
    return [mutant(name) for name in names()]
