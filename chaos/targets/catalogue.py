"""The targets by name; anything else is a `module:attribute` string."""

from __future__ import annotations

from typing import Final

from chaos.oracle import load
from chaos.targets.api import TargetFactory

TARGETS: Final = {
    "engine": "chaos.targets.engine:EngineTarget",
    "postgres": "chaos.targets.postgres:PostgresTarget",
}


def target_factory(name: str) -> TargetFactory:
    """The target's factory; UnknownName when there is none."""
    factory: TargetFactory = load(TARGETS.get(name, name))
    return factory
