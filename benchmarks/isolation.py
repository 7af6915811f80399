"""What the isolation checker costs: transactions per second, and memory for each.

    .venv/bin/python -m benchmarks.isolation [--sizes 10000 100000 1000000]

The histories are valid: a made-up database runs 16 clients, each transaction takes effect at once
at some moment between its beginning and its end. A transaction has 1 to 6 operations, half of them
reads, on 10 keys at a time; after 32 writes a key is left and a new one begun. 1 in 100
transactions fails, 1 in 100 is never answered. They are made before the clock starts, each size in
a process of its own: the time is CPU time of `check`, the memory what the process grew by from its
start to its peak, first for the transactions, then for the check on top of them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from properties.isolation.checking import WORKLOADS, check
from properties.isolation.transactions import APPEND, READ, WRITE, Op, Status, Transaction

CLIENTS = 16
ACTIVE_KEYS = 10
WRITES_PER_KEY = 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--workload", choices=WORKLOADS, action="append")
    parser.add_argument("--model", default="strict-serializable")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.workload[0], options.sizes[0], options.model)))
        return
    print(
        f"{'workload':12} {'transactions':>12} {'per second':>11} {'bytes each: held':>16} checking"
    )
    for workload in options.workload or WORKLOADS:
        for size in options.sizes:
            command = [sys.executable, "-m", "benchmarks.isolation", "--one", "--model"]
            command += [options.model, "--workload", workload, "--sizes", str(size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures = json.loads(done.stdout)
            print(
                f"{workload:12} {size:12,} {size / figures['seconds']:11,.0f} "
                f"{figures['held'] / size:16,.0f} {figures['checking'] / size:8,.0f}"
            )


def measure(workload: str, size: int, model: str) -> dict[str, Any]:
    """The CPU seconds that a check of so many transactions takes, and its memory in bytes."""
    before = peak()
    transactions = list(history(workload, size))
    held = peak()
    begun = time.process_time()
    verdict = check(transactions, workload=workload, model=model)
    seconds = time.process_time() - begun
    if verdict.valid is not True:
        raise SystemExit(f"a valid history is not valid: {verdict}"[:3000])
    return {"seconds": seconds, "held": held - before, "checking": peak() - held}


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def history(workload: str, size: int, seed: int = 0) -> Iterator[Transaction]:
    """A strictly serializable history of `size` transactions."""
    rng = random.Random(seed)
    store = Store(workload, rng)
    position = 0
    number = 0
    names = list(range(CLIENTS))
    running: dict[int, tuple[int, int, Status, tuple[Op, ...]]] = {}
    while number < size or running:
        client = rng.randrange(CLIENTS)
        position += 1
        if client in running:
            begun, row, status, ops = running.pop(client)
            ended = None if status == "info" else position
            yield Transaction(row, names[client], status, ops, begun, ended)
            if status == "info":
                names[client] += CLIENTS
        elif number < size:
            draw = rng.random()
            status = "ok" if draw < 0.98 else "info" if draw < 0.99 else "fail"
            running[client] = (position, number, status, store.run(status))
            number += 1


class Store:
    """Runs transactions, one at a time."""

    def __init__(self, workload: str, rng: random.Random) -> None:
        self.is_list = workload == "list-append"
        self.rng = rng
        self.keys = list(range(ACTIVE_KEYS))
        self.next_key = ACTIVE_KEYS
        self.written = dict.fromkeys(self.keys, 0)
        self.state: dict[int, Any] = {}

    def run(self, status: Status) -> tuple[Op, ...]:
        """One transaction's operations, and its effect if it commits."""
        rng = self.rng
        ops = []
        changed: dict[int, Any] = {}
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(ACTIVE_KEYS)
            key = self.keys[place]
            value = changed.get(key, self.state.get(key))
            if rng.random() < 0.5:
                if self.is_list:
                    value = value or ()
                ops.append(Op(READ, key, value if status == "ok" else None))
                continue
            self.written[key] += 1
            new = self.written[key]
            changed[key] = (*(value or ()), new) if self.is_list else new
            ops.append(Op(APPEND if self.is_list else WRITE, key, new))
            if new == WRITES_PER_KEY:
                self.keys[place] = self.next_key
                self.written[self.next_key] = 0
                self.next_key += 1
        if status == "ok" or (status == "info" and rng.random() < 0.5):
            self.state.update(changed)
        return tuple(ops)


if __name__ == "__main__":
    main()
