"""A process that runs seed after seed for another one (chaos/pool.py), so that interpreter, imports
and launcher are paid for once.

Started by a pool; ends when its standard input ends, on SIGTERM, or when the pool's process dies,
however that dies: then a run that is under way is ended in order. If it dies itself, its launcher
removes what the run had (LAUNCH-1), and the pool counts that one run as broken.

Protocol: lines. First comes an `Order` as JSON, then one seed a line, or one plan as JSON, each
when the answer to the one before has come: `{"result": ...}` as of `chaos run --json`, or
`{"refused": why}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from chaos.doublecheck import run_twice
from chaos.plan import Plan, Wishes, make_plan
from chaos.report.observer import Silent
from chaos.session import Session, again_command, open_session
from chaos.targets.api import TargetUnusable
from chaos.targets.launcher import PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told once.

    `pin` is the CPU for the worker, and so for all that it starts; None leaves that to the machine.
    `doublecheck`: each run is done twice (chaos/doublecheck.py).
    `out` is where bundles go; None: there are none.
    """

    wishes: Wishes
    suite: str
    out: str | None
    pin: int | None = None
    doublecheck: bool = False

    def to_line(self) -> bytes:
        """For the worker's standard input; with our own pid, so that it knows whose it is."""
        return json.dumps(asdict(self) | {"parent": os.getpid()}).encode() + b"\n"


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Do what the lines of `orders` say, to their end."""
    first = orders.readline()
    if not first:
        return
    order: dict[str, Any] = json.loads(first)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != order["parent"]:
        return
    if order["pin"] is not None:
        os.sched_setaffinity(0, {order["pin"]})
    wishes, suite = Wishes(**order["wishes"]), order["suite"]
    out = Path(order["out"]) if order["out"] is not None else None
    with open_session(wishes, suite, out, Silent()) as session:
        for line in iter(orders.readline, b""):
            asked = json.loads(line)
            is_seed = isinstance(asked, int)
            plan = make_plan(asked, wishes) if is_seed else Plan.from_object(asked)
            answer: dict[str, Any]
            try:
                command = again_command(plan.seed, wishes, suite)
                do = run_twice if order["doublecheck"] else Session.run
                answer = {"result": do(session, plan, command)}
            except TargetUnusable as error:
                answer = {"refused": str(error)}
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()
