"""The kill matrix: mutants and who catches them, several hunts at once.

MATRIX-1  A checker is the only catcher of a mutant when no other said anything in any run that
          caught it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from chaos.mutants.hunting import Hunt, Phase, Result
from chaos.plan import Plan
from chaos.shrink.running import InWorkers
from chaos.shrink.search import Limits, NotRepeatable, Search, Size
from chaos.shrink.signature import Signature, signature_of

Tell = Callable[[str, int, int, int], None]
"""What goes on: in words, how much is done, of how much; the last is not used."""


class Crew(Protocol):
    """Those who run plans, by number (chaos/shrink/running.py: InWorkers)."""

    @property
    def jobs(self) -> int: ...

    def ask(self, number: int, plan: Plan) -> None: ...

    def answer(self, number: int, plan: Plan) -> Result: ...

    def first_of(self, numbers: Sequence[int]) -> int: ...


def hunt_all(hunts: Sequence[Hunt], crew: Crew, tell: Tell) -> Iterator[Hunt]:
    """Each hunt when it is over. A worker stays with one until then (HUNT-1)."""
    waiting = list(hunts)
    under_way: dict[int, tuple[Hunt, Plan]] = {}
    over = 0
    for number in range(crew.jobs):
        yield from _go_on(number, None, waiting, under_way, crew)
    while under_way:
        at = ", ".join(_progress(hunt) for hunt, _ in under_way.values())
        tell(f"{at}; mutants", over, len(hunts), 0)
        number = crew.first_of(list(under_way))
        hunt, plan = under_way.pop(number)
        hunt.hear(plan, crew.answer(number, plan))
        for done in _go_on(number, hunt, waiting, under_way, crew):
            over += 1
            yield done


def _go_on(
    number: int,
    hunt: Hunt | None,
    waiting: list[Hunt],
    under_way: dict[int, tuple[Hunt, Plan]],
    crew: Crew,
) -> Iterator[Hunt]:
    """The next plan of this hunt, or of those that wait; the hunts that are over by that."""
    while hunt is not None or waiting:
        hunt = hunt or waiting.pop(0)
        plan = hunt.next_plan()
        if plan is not None:
            under_way[number] = hunt, plan
            crew.ask(number, plan)
            return
        yield hunt
        hunt = None


def _progress(hunt: Hunt) -> str:
    if hunt.phase is not Phase.HUNTING:
        return f"{hunt.mutant.name} {hunt.phase.value}"
    return f"{hunt.mutant.name} seed {hunt.runs + 1} of {len(hunt.seeds)}"


class _Silent:
    """Hears of a shrink, and says nothing."""

    def checked(self, signature: Signature, size: Size) -> None:
        """Nothing."""

    def began(self, one: Any) -> None:
        """Nothing."""

    def tried(self, runs: int) -> None:
        """Nothing."""

    def improved(self, size: Size) -> None:
        """Nothing."""


def shrunk(hunt: Hunt, crew: InWorkers, limits: Limits) -> Size | None:
    """How small the run that caught it becomes; None if it was not caught, or does not repeat."""
    if hunt.plan is None or hunt.result is None:
        return None
    signature = signature_of(hunt.result)
    if signature is None:
        return None
    search = Search(hunt.plan, signature, crew, limits, _Silent())
    try:
        search.shrink()
    except NotRepeatable as error:
        hunt.broken.append(f"seed {hunt.plan.seed} was not shrunk: {error}")
        return None
    return search.size


def only_catchers(hunts: Sequence[Hunt]) -> dict[str, dict[str, list[str]]]:
    """By checker: the mutants that it saw, and those that it alone saw (MATRIX-1)."""
    found: dict[str, dict[str, list[str]]] = {}
    for hunt in sorted(hunts, key=lambda one: one.mutant.name):
        checkers = hunt.checkers()
        for checker in checkers:
            row = found.setdefault(checker, {"sees": [], "only": []})
            row["sees"].append(hunt.mutant.name)
            if len(checkers) == 1:
                row["only"].append(hunt.mutant.name)
    return dict(sorted(found.items()))
