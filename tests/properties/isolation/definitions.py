"""Small histories, and what the definitions call them.

From Adya's thesis, Cerone and Gotsman's paper on snapshot isolation, Elle's paper and its tests,
and what each model says in words. A line is a transaction: its process, how it ended if not ok,
and its micro-operations. All run at the same time, unless the history says that they came one
after the other; then those with a ~ span all others.

`anomalies` are all that may be found; `ruled_out` are the weakest models that do not hold, and
`possible` the strongest that still may.
"""

from __future__ import annotations

from typing import NamedTuple

TOGETHER = "together"
IN_TURN = "one after the other"


class Defined(NamedTuple):
    """A history and its names, which are separated by blanks."""

    name: str
    text: str
    anomalies: str
    ruled_out: str
    possible: str
    when: str = TOGETHER


def edn(case: Defined) -> str:
    """The history in EDN, as Jepsen would write it."""
    invocations, middle, completions = [], [], []
    for line in case.text.strip().splitlines():
        words, _, value = line.strip().partition("[")
        process, status, *_ = [*words.removeprefix("~").split(), "ok"]
        operation = f":process {process}, :f :txn, :value [{value}"
        invocation = f"{{:type :invoke, {operation}}}\n"
        completion = f"{{:type :{status}, {operation}}}\n"
        if case.when == TOGETHER or words.startswith("~"):
            invocations.append(invocation)
            completions.append(completion)
        else:
            middle += [invocation, completion]
    return "".join([*invocations, *middle, *completions])
