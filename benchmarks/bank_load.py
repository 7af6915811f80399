"""The bank workload as a load: client processes that transfer money as fast as they can."""

from __future__ import annotations

import os
import random
import signal
import time
from types import TracebackType
from typing import Final

import psycopg

ACCOUNTS: Final = 100
DEBIT: Final = "UPDATE accounts SET balance = balance - %s WHERE id = %s"
CREDIT: Final = "UPDATE accounts SET balance = balance + %s WHERE id = %s"


def create_accounts(conninfo: str) -> None:
    """The table, with its rows."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE accounts (id integer NOT NULL, balance bigint NOT NULL)")
        connection.execute(
            f"INSERT INTO accounts SELECT i, 1000 FROM generate_series(1, {ACCOUNTS}) i"
        )
        connection.execute("CHECKPOINT")


class BankLoad:
    """Client processes, from `with` to its end; each stops at its first error."""

    def __init__(self, conninfo: str, clients: int) -> None:
        self._conninfo = conninfo
        self._clients = clients
        self._workers: list[tuple[int, int]] = []

    def __enter__(self) -> BankLoad:
        for number in range(self._clients):
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                _be_client(self._conninfo, number, writing)
            os.close(writing)
            self._workers.append((pid, reading))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End the clients; how many transactions were acknowledged to them in all."""
        for pid, _ in self._workers:
            os.kill(pid, signal.SIGTERM)
        total = 0
        for pid, reading in self._workers:
            with os.fdopen(reading) as report:
                total += int(report.read() or 0)
            os.waitpid(pid, 0)
        self._workers = []
        return total


def _be_client(conninfo: str, number: int, report: int) -> None:
    done = 0
    is_told_to_stop = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal is_told_to_stop
        is_told_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    chance = random.Random(number)
    try:
        with psycopg.connect(conninfo, autocommit=True, prepare_threshold=0) as connection:
            while not is_told_to_stop:
                # In the order of the accounts, so that transfers do not deadlock.
                first, second = sorted(chance.sample(range(1, ACCOUNTS + 1), 2))
                connection.execute("BEGIN")
                connection.execute(DEBIT, (1, first))
                connection.execute(CREDIT, (1, second))
                connection.execute("COMMIT")
                done += 1
    except psycopg.Error:
        while not is_told_to_stop:  # the server was killed: stay, so that the count is heard
            time.sleep(0.01)
    os.write(report, str(done).encode())
    os._exit(0)
