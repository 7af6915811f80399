"""What a mutant is, and how it changes the engine.

A mutant is a module of this package: its docstring says which rule is broken and which system
had the bug, `MUTANT` says the same as data, and `apply()` patches the classes and functions of the
engine. It runs in the postmaster before that serves, in a process forked for the purpose: nothing
of it is left when the server has ended, and whatever the postmaster forks inherits it.

    MUTANT = Mutant(
        name="commit-before-flush",
        breaks="XACT-1",
        mirrors="a database whose fsync was switched off",
        sees=("durability: lost",),
    )


    def apply() -> None:
        replace(Wal, "flush", lambda flush: lambda self, lsn: None)

MUT-1  A mutant that no longer fits the engine says so; it is never silently no change.
MUT-2  Nothing of a mutant outlives the server that it was applied to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

WRONG_READS: Final = (
    "atomicity",
    "lost_update",
    "bank_total",
    "list_prefix",
    "sets",
    "counters",
    "session_order",
    "isolation",
    "errors: wrong answer",
)
"""For `sees`: what clients read comes of no order of whole transactions."""
NO_RECOVERY: Final = ("reaction", "liveness: not back")
"""For `sees`: a recovery that ends otherwise than it must, or not at all."""
DAMAGED_PAGES: Final = (
    "errors: error XX001",
    "files: PAGE-1",
    "files: PAGE-2",
    "files: PAGE-3",
    "files: PAGE-4",
)
"""For `sees`: pages that no WAL has mended, met by a client or found after the shutdown."""
TABLE_GONE: Final = "errors: error 42P01"
"""For `sees`: the transaction that is lost is the one that created a table."""


class MutantDoesNotApply(Exception):
    """MUT-1: the engine has no such function, or a changed one; the mutant must follow it."""


class UnknownMutant(ValueError):
    """There is no mutant of this name."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug.

    name       as on the command line: the module's, with dashes
    breaks     the rule, by its id or in a clause: "WAL before data", "BUF-2"
    mirrors    where it happened in real life; or whose rule it negates
    sees       `checker: kind` of the violations that name the cause rightly, any of which will do;
               a checker alone stands for all its kinds
    faults, settings, profile, workload   what exposes it; None and nothing: a default run does.
               They are the defaults of `chaos run --mutant`, and the user's own wishes go first
    """

    name: str
    breaks: str
    mirrors: str
    sees: tuple[str, ...]
    faults: tuple[str, ...] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    workload: str | None = None


@dataclass(frozen=True, slots=True)
class HarnessMutant:
    """One planted bug of the harness: `noticed_by` are the checks of `chaos selftest`
    (chaos/selftest.py) that must fail.
    """

    name: str
    breaks: str
    noticed_by: tuple[str, ...]


def replace(owner: type | ModuleType, attribute: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in the place of an attribute that a class or module has itself.

    A function that others have imported by name is to be replaced where they look it up: in their
    modules. What is a static or class method stays one; of a property `make` gets the getter.
    MutantDoesNotApply when there is no such attribute.
    """
    if attribute not in vars(owner):
        raise MutantDoesNotApply(f"{owner.__name__} has no {attribute!r} of its own")
    original = vars(owner)[attribute]
    if isinstance(original, staticmethod | classmethod):
        setattr(owner, attribute, type(original)(make(original.__func__)))
    elif isinstance(original, property):
        setattr(owner, attribute, property(make(original.fget), original.fset))
    else:
        setattr(owner, attribute, make(original))
