"""A golden script as data: commands and what they printed. Reads the file, and writes it again.

# The hypothesis: the property that the script shows.
s1> SELECT 1 AS one          <- a command begins in the first column
    one                      <- what it prints is indented by four spaces
    1
    SELECT 1
# A comment, or an empty line, stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

INDENT = "    "


@dataclass(slots=True)
class Step:
    """One line of the file that is no output, with the output that follows it."""

    line: int
    text: str
    output: list[str] = field(default_factory=list)

    @property
    def is_command(self) -> bool:
        return bool(self.text) and not self.text.startswith("#")


class ScriptError(Exception):
    """The script itself is wrong."""


def parse(text: str) -> list[Step]:
    """The steps of a script; ScriptError when a line has no place."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith(" "):
            steps.append(Step(number, line.rstrip()))
        elif steps and steps[-1].is_command and line.startswith(INDENT):
            steps[-1].output.append(line[len(INDENT) :])
        else:
            raise ScriptError(f"line {number}: output without a command before it")
    if not steps or not steps[0].text.removeprefix("#").strip() or steps[0].is_command:
        raise ScriptError("the first line must be a comment that states the hypothesis")
    return steps


def render(steps: list[Step]) -> str:
    """The file's text."""
    lines: list[str] = []
    for step in steps:
        lines.append(step.text)
        lines += [f"{INDENT}{line}".rstrip() if line else INDENT.rstrip() for line in step.output]
    return "\n".join(lines) + "\n"
