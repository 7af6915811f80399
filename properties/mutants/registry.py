"""Which mutants there are: the modules of this package that are not its machinery, by name; and
those of the harness, the modules of `harness/`.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Final, cast

import properties.mutants
from properties.mutants import harness
from properties.mutants.api import HarnessMutant, Mutant, UnknownMutant

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


def harness_mutants() -> list[HarnessMutant]:
    """The harness's own, by name."""
    found = sorted(module.name for module in pkgutil.iter_modules(harness.__path__))
    return [cast(HarnessMutant, _of_harness(name).MUTANT) for name in found]


def apply_to_harness(name: str) -> None:
    """From now on this process's harness has that bug. UnknownMutant, MutantDoesNotApply."""
    if name not in [one.name for one in harness_mutants()]:
        raise UnknownMutant(f"there is no mutant {name!r} of the harness")
    _of_harness(name.replace("-", "_")).apply()


def _of_harness(module: str) -> ModuleType:
    return importlib.import_module(f"{harness.__name__}.{module}")
