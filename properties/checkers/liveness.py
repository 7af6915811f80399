"""The server comes back, answers and stops, each within its bound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chaos.history import NEMESIS, Event, Process
from chaos.oracle import Violation
from properties.checkers.words import some


class Liveness:
    """See the head of this file."""

    name = "liveness"

    def __init__(self) -> None:
        self._bound_s = float("inf")
        self._begun: dict[Process, int] = {}

    def observe(self, event: Event) -> Iterable[Violation]:
        """Judge the controller's notes, and how long each operation took."""
        value = event.value
        if event.process != NEMESIS:
            yield from self._judge_operation(event)
        elif event.f == "begin":
            self._bound_s = value["bound_s"]
        elif event.f == "reaction" and not value["reaction"]["recovered"]:
            yield self._violation(
                event, self._not_back(value["strike"], value["reaction"]), "not back"
            )
        elif event.f == "stalled":
            message = (
                f"no progress within {value['seconds']:g} s while no fault was under way; the"
                f" oldest operation was {value['oldest_operation_s']:g} s old"
            )
            yield self._violation(event, message, "stalled")
        elif event.f == "liveness":
            yield from self._judge_phase(event, value)
        elif event.f == "shutdown":
            yield from self._judge_shutdown(event, value)

    def _judge_operation(self, event: Event) -> Iterable[Violation]:
        if event.type == "invoke":
            self._begun[event.process] = event.time_us
            return
        seconds = (event.time_us - self._begun.pop(event.process, event.time_us)) / 1e6
        if seconds > self._bound_s:
            message = f"{event.f} took longer than {self._bound_s:g} s"
            yield self._violation(event, message, "slow operation")

    def _not_back(self, strike: dict[str, Any], seen: dict[str, Any]) -> str:
        """What happened instead of an answer."""
        message = f"no query was answered after the fault {strike['name']}"
        if len(seen["postmaster_exits"]) > 1:
            message += f", the postmaster ended with status {some(seen['postmaster_exits'])}"
        else:
            message += f" within {self._bound_s:g} s"
        return message + "".join(f"; {line}" for line in seen.get("last_words", []))

    def _judge_phase(self, event: Event, value: dict[str, Any]) -> Iterable[Violation]:
        if value["seconds"] > value["bound_s"]:
            message = (
                f"{value['operations']} operations without any fault took longer than"
                f" {value['bound_s']:g} s"
            )
            yield self._violation(event, message, "slow")
        if value["operations"] and not value["acknowledged"]:
            message = "nothing was acknowledged after the last fault"
            yield self._violation(event, message, "nothing acknowledged")

    def _judge_shutdown(self, event: Event, value: dict[str, Any]) -> Iterable[Violation]:
        if value["exit_status"] is None:
            message = f"a fast shutdown took longer than {value['bound_s']:g} s"
            yield self._violation(event, message, "slow shutdown")
        elif value["exit_status"] != 0:
            message = f"a fast shutdown ended with exit status {value['exit_status']}"
            yield self._violation(event, message, "shutdown failed")

    def _violation(self, event: Event, message: str, kind: str) -> Violation:
        return Violation(self.name, message, {"event": event.index}, kind)

    def finish(self) -> Iterable[Violation]:
        """All was said as it came."""
        return ()
