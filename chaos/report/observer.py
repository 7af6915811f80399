"""What a run tells while it runs; each report takes what it shows and ignores the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from chaos.oracle import Violation
from chaos.plan import Plan

if TYPE_CHECKING:
    from chaos.outcome import CycleReport


class Observer(Protocol):
    """Hears of one run after another."""

    def begin(self, plan: Plan) -> None: ...

    def phase(self, name: str) -> None: ...

    def cycle(self, report: CycleReport, plan: Plan) -> None: ...

    def violation(self, violation: Violation) -> None: ...

    def end(self, result: Mapping[str, Any]) -> None: ...


class Silent:
    """Shows nothing."""

    def begin(self, plan: Plan) -> None:
        """Nothing."""

    def phase(self, name: str) -> None:
        """Nothing."""

    def cycle(self, report: CycleReport, plan: Plan) -> None:
        """Nothing."""

    def violation(self, violation: Violation) -> None:
        """Nothing."""

    def end(self, result: Mapping[str, Any]) -> None:
        """Nothing."""
