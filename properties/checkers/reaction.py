"""The postmaster did what the contract says for what was done to the server: the contracts are in
`contracts.py`, and in `disk_contracts.py` for a disk that fails.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.history import Event
from chaos.oracle import Violation
from properties.checkers.contracts import CONTRACTS, Facts, Problem, nothing
from properties.checkers.disk_contracts import disk_contract, unexplained_deaths
from properties.checkers.words import some


class ReactionChecker:
    """Judges the notes `reaction` and `calm`."""

    name = "reaction"

    def observe(self, event: Event) -> Iterator[Violation]:
        """Apply the contract to what was seen; a server that never came back is liveness's, but why
        it did not is ours where it is known.
        """
        if event.f == "reaction":
            strike, seen = event.value["strike"], event.value["reaction"]
            problems = list(differs(seen))
            if seen["recovered"]:
                problems += _problems(strike, seen)
            for kind, problem in problems:
                message = f"after the fault {strike['name']}: {problem}"
                facts = {"event": event.index, "cycle": event.value["cycle"]}
                yield Violation(self.name, message, facts, kind)
        elif event.f == "calm":
            for problem in event.value["problems"]:
                message = f"while no fault was under way: {problem}"
                yield Violation(self.name, message, {"event": event.index}, "not calm")

    def finish(self) -> Iterator[Violation]:
        """All was said as it came."""
        return iter(())


def differs(seen: Facts) -> Iterator[Problem]:
    """Recovery has compared pages with what they had been, and they were not the same."""
    if found := seen.get("differences"):
        yield "replay differs", f"replay differs from the running pages: {some(found)}"


def _problems(strike: Facts, seen: Facts) -> Iterator[Problem]:
    deaths = seen["crashes"]
    if strike.get("disk"):
        yield from disk_contract(strike, seen)
        deaths = unexplained_deaths(strike, seen)
    else:
        yield from CONTRACTS.get(strike["name"], nothing)(strike, seen)
    if deaths:
        yield "died", f"other processes died: {some(deaths)}"
