"""The targets by name; anything else is a `module:attribute` string."""

from __future__ import annotations

from typing import Final

from chaos.oracle import UnknownName, load
from chaos.targets.api import TargetFactory

TARGETS: Final = {
    "engine": "chaos.targets.engine:EngineTarget",
    "postgres": "chaos.targets.postgres:PostgresTarget",
}


def target_factory(name: str) -> TargetFactory:
    """The target's factory; UnknownName when there is none."""
    if name not in TARGETS and ":" not in name:
        raise UnknownName(f"there is no target {name!r}: give {', '.join(TARGETS)}, "
                          "or a target of your own as module:attribute")  # fmt: skip
    factory: TargetFactory = load(TARGETS.get(name, name))
    return factory
