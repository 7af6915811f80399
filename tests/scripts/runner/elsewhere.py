"""Plays a script of statements alone against a server that somebody else has started.

What the sessions print is the same as in `play`: answers, `waiting`, errors with their SQLSTATE. So
a golden script can be held against another database that speaks the same protocol and shows in `ps`
that it waits.
"""

from __future__ import annotations

import re
from dataclasses import replace

from tests.scripts.runner.masks import Masks
from tests.scripts.runner.script import ScriptError, Step
from tests.scripts.runner.session import Session

STATEMENT = re.compile(r"(?P<session>[a-z]\w*)(?P<mode>[>!])(?: (?P<statement>.*))?")
"""A command that is a statement, or the answer of one that waited."""

_SEGMENT_SIZE = 1 << 24


def is_statements_alone(steps: list[Step]) -> bool:
    """Whether a script needs nothing but sessions."""
    return all(STATEMENT.fullmatch(step.text) for step in steps if step.is_command)


def play_elsewhere(steps: list[Step], address: str) -> list[Step]:
    """The steps with the output of the server at `address` (libpq's connection string)."""
    masks = Masks(_SEGMENT_SIZE)
    sessions: dict[str, Session] = {}
    try:
        return [_play(step, address, masks, sessions) for step in steps]
    finally:
        for session in sessions.values():
            session.close()


def _play(step: Step, address: str, masks: Masks, sessions: dict[str, Session]) -> Step:
    if not step.is_command:
        return step
    match = STATEMENT.fullmatch(step.text)
    if match is None:
        raise ScriptError(f"line {step.line}: {step.text}: only statements can be played elsewhere")
    name, statement = match["session"], match["statement"]
    if name not in sessions:
        sessions[name] = Session(name, address, masks)
    session = sessions[name]
    if statement:
        session.send(statement)
    until_end = not statement or match["mode"] == "!"
    return replace(step, output=session.answer(until_end=until_end))
