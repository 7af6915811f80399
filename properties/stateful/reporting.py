"""A failure for people: what came, the scenario that shows it, and how to have it again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from properties.models.steps import Program
from properties.models.world import World
from properties.stateful.arena import Outcome, mutant_of

OUT: Final = Path("chaos-out")


class Mismatch(AssertionError):
    """Something came otherwise than the model says: which program, in which world, and how."""

    def __init__(
        self,
        world: World,
        program: Program,
        outcome: Outcome,
        patches: Sequence[str] = (),
        out: Path | None = None,
    ) -> None:
        self.world = world
        self.program = program
        self.outcome = outcome
        text = f"{outcome.reason}\n\n{source_of_test(world, program, patches)}"
        if out is not None:
            file = out / f"sessions-{_digest(outcome.scenario)}.toml"
            out.mkdir(parents=True, exist_ok=True)
            file.write_text(outcome.scenario, encoding="utf-8")
            text += f"\n{outcome.scenario}\nTo see it again:  {replay_command(file, patches)}"
        super().__init__(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def replay_command(file: Path, patches: Sequence[str]) -> str:
    """The command for the scenario. That can name one planted bug; for other patches there is only
    the test.
    """
    is_told = not patches or mutant_of(patches) is not None
    return f"chaos replay {file}" if is_told else "the test above"


def source_of_test(world: World, program: Program, patches: Sequence[str]) -> str:
    """A pytest file that plays the program again, and fails as it did."""
    arena = f"Arena({list(patches)!r})" if patches else "Arena()"
    lines = "".join(f"        {python(step)},\n" for step in program)
    return (
        "from properties.models.schema import *\n"
        "from properties.models.steps import *\n"
        "from properties.models.world import World\n"
        "from properties.stateful.arena import Arena\n"
        "\n\n"
        "def test_every_session_hears_what_snapshot_isolation_says():\n"
        f"    world = {python(world)}\n"
        f"    program = (\n{lines}    )\n"
        f"    with {arena} as arena:\n"
        '        assert arena.play(world, program).reason == ""\n'
    )


def _usual(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def python(value: Any) -> str:
    """An expression that makes the value; of a dataclass, only what is not usual."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if is_dataclass(value) and not isinstance(value, type):
        given = [
            f"{field.name}={python(found)}"
            for field in fields(value)
            if (found := getattr(value, field.name)) != _usual(field)
        ]
        return f"{type(value).__name__}({', '.join(given)})"
    if isinstance(value, tuple):
        inside = ", ".join(map(python, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)
