"""Everything that the engine does to the world in a small life, as text: a program, and a module.

One process plays all processes of a cluster, one after the other: initdb, the startup process, a
few sessions, the checkpointer, a crash, recovery. Its host is the real one, but for the clock,
chance and pids, which are counted, and the clients, who are a list of messages. What then differs
between two lives differs because of the engine.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from engine.cli.initdb import initialize_through
from engine.config import Config, read_configuration
from engine.errors import ProcessExit
from engine.host.api import FileStatus, Host, Peer, Ready
from engine.host.points import Point
from engine.host.real import RealHost
from engine.instance import Instance, Shared
from engine.processes import backend, child, startup
from engine.processes.postmaster.data_directory_lock import PidFile, lock_data_directory
from engine.protocol.frontend import (
    FLUSH,
    SYNC,
    TERMINATE,
    build_bind,
    build_close,
    build_describe,
    build_execute,
    build_parse,
    build_query,
)
from engine.protocol.startup import build_startup_message
from engine.recovery.checkpoint import Checkpoints
from engine.recovery.checkpoint_schedule import CheckpointSchedule
from engine.shmem.procs import FIRST_BACKEND_SLOT, BackendType

SOMEWHERE = "/world"
CLIENT = -9

_OF_DESCRIPTORS = (
    "accept", "close", "file_size", "fsync", "pread", "pread_into", "pwrite", "receive",
    "redirect_output", "send", "truncate",
)  # fmt: skip
_GIVE_DESCRIPTORS = ("listen_tcp", "listen_unix", "lock_file", "open")


class CountingHost(RealHost):
    """A host that writes down each call, and for which nothing happens by itself.

    `when_idle` is what others do while this process waits.
    """

    def __init__(self, root: str, chance: int = 0) -> None:
        super().__init__(root)
        self.calls: list[str] = []
        self.script: list[bytes] = []
        self.when_idle: Callable[[], None] | None = None
        self.in_collection = False
        self._numbers: dict[int, int] = {CLIENT: CLIENT}
        self._next_number = 0
        self._time_us = 800_000_000_000_000
        self._chance = chance
        self._depth = 0

    # what is written down -------------------------------------------------------------------------

    def note(self, name: str, call: Callable[[], Any], arguments: Sequence[Any]) -> Any:
        """Make a call of the host and write it down, but for those which it makes itself."""
        if self._depth:
            return call()
        shown = list(map(self._text, arguments))
        if name in _OF_DESCRIPTORS:
            shown[0] = f"#{self._numbers.get(arguments[0], arguments[0])}"
        if self.in_collection:
            name = f"(garbage collector) {name}"
        place = len(self.calls)
        self.calls.append("")
        self._depth += 1
        outcome = "?"
        try:
            result = call()
            outcome = self._text(result)
            if name in _GIVE_DESCRIPTORS and result is not None:
                self._next_number += 1
                self._numbers[result] = self._next_number
                outcome = f"#{self._next_number}"
        except BaseException as error:
            outcome = f"{type(error).__name__} {getattr(error, 'errno', '')}"
            raise
        finally:
            self._depth -= 1
            self.calls[place] = f"{name}({', '.join(shown)}) -> {outcome}"
        return result

    def _text(self, value: Any) -> str:
        if isinstance(value, bytes | bytearray | memoryview):
            return f"{len(value)} bytes {zlib.crc32(value):08x}"
        if isinstance(value, str | FileStatus):
            return repr(value).replace(self.root, SOMEWHERE)
        if isinstance(value, Point):
            return str(value.value)
        if callable(value):
            return "a function"
        return repr(value)

    # what is counted ------------------------------------------------------------------------------

    def now_us(self) -> int:
        self._time_us += 7
        return self._time_us

    def monotonic_us(self) -> int:
        self._time_us += 7
        return self._time_us

    def random_bytes(self, length: int) -> bytes:
        self._chance += 1
        return bytes((self._chance * 31 + place * 17) % 256 for place in range(length))

    def pid(self) -> int:
        return 1001

    def parent_pid(self) -> int:
        return 1000

    def sleep(self, milliseconds: float) -> None:
        self._pass(milliseconds)

    def create_mutexes(self, count: int) -> Sequence[Any]:
        return [WrittenMutex(self, number) for number in range(count)]

    def set_title(self, title: str) -> None:
        pass

    def write_log(self, data: Any) -> None:
        pass

    def exit(self, status: int) -> Any:
        raise ProcessExit(status)

    def wait(
        self,
        timeout_ms: float | None = None,
        *,
        read: Sequence[int] = (),
        write: Sequence[int] = (),
        latch: bool = True,
        postmaster: bool = True,
    ) -> Ready:
        if super().wait(0, latch=latch):
            return Ready.LATCH
        if CLIENT in read:
            return Ready.READ
        if write:
            return Ready.WRITE
        self._pass(1000.0 if timeout_ms is None else timeout_ms)
        return Ready.TIMEOUT

    def receive(self, fd: int, length: int) -> bytes:
        return self.script.pop(0) if self.script else b""

    def send(self, fd: int, data: Any) -> int:
        return len(data)

    def _pass(self, milliseconds: float) -> None:
        self._time_us += int(milliseconds * 1000)
        others, self.when_idle = self.when_idle, None
        if others is not None:
            # They make calls of their own, which are written down where they happen.
            depth, self._depth = self._depth, 0
            others()
            self._depth, self.when_idle = depth, others


def _written_down(name: str) -> Callable[..., Any]:
    made = getattr(CountingHost, name)

    def call(self: CountingHost, *arguments: Any, **options: Any) -> Any:
        shown = [*arguments, *options.values()]
        return self.note(name, partial(made, self, *arguments, **options), shown)

    return call


for _name in [name for name in vars(Host) if not name.startswith("_")]:
    setattr(CountingHost, _name, _written_down(_name))


class WrittenMutex:
    """A mutex that nobody contends for."""

    def __init__(self, host: CountingHost, number: int) -> None:
        self._number = number
        self.acquire = lambda: host.calls.append(f"acquire {number}")
        self.release = lambda: host.calls.append(f"release {number}")

    def __repr__(self) -> str:
        return f"mutex {self._number}"


# the life -----------------------------------------------------------------------------------------


def query(*texts: str) -> list[bytes]:
    """Query messages."""
    return [build_query(text) for text in texts]


def prepared(text: str, *runs: tuple[bytes | None, ...], rows_at_once: int = 0) -> list[bytes]:
    """One statement in the extended protocol, run with each of these parameters."""
    messages = [build_parse("s", text), build_describe("S", "s"), FLUSH]
    for parameters in runs:
        messages += [build_bind("p", "s", parameters), build_describe("P", "p")]
        messages += [build_execute("p", rows_at_once)] * (3 if rows_at_once else 1)
        messages += [build_close("P", "p")]
    return [*messages, build_close("S", "s"), SYNC]


def sessions() -> Iterator[list[bytes]]:
    """What the clients say, session by session."""
    yield [
        *query(
            "CREATE TABLE account (id int NOT NULL, owner text, balance float8)",
            "CREATE TABLE entry (account int, amount int8, note text)",
            "INSERT INTO account VALUES (1, 'ann', 10), (2, 'bob', 20), (3, NULL, 1.5)",
            "INSERT INTO entry SELECT n % 3 + 1, n, 'note ' || n FROM generate_series(1, 700) n",
        ),
        *prepared(
            "INSERT INTO account VALUES ($1, $2, $3)",
            *[(b"%d" % number, b"x" * number, b"0.%d" % number) for number in range(10, 40)],
        ),
        *query("SELECT a.id, sum(e.amount) FROM account a JOIN entry e ON e.account = a.id "
               "GROUP BY a.id ORDER BY 2 DESC"),
    ]  # fmt: skip
    yield [
        *query("BEGIN", "UPDATE account SET balance = balance + 1", "SELECT * FROM account"),
        *query("DELETE FROM entry WHERE amount % 2 = 0", "ROLLBACK"),
        *query("SELECT DISTINCT account FROM entry WHERE account IN (1, 2, 4, NULL)"),
        *query("SELECT no_such_column FROM account", "SELECT 1/0", "SELEKT", "SELECT $1"),
        *query("BEGIN; DELETE FROM account WHERE id > 30; SELECT 1/0", "COMMIT"),
        *query("BEGIN ISOLATION LEVEL REPEATABLE READ"),
        *prepared("SELECT note FROM entry WHERE amount > $1", (b"5",), rows_at_once=3),
        *query("SELECT count(*), max(note) FROM entry", "COMMIT"),
        *query("BEGIN"),
        *prepared("SELECT note FROM entry, account WHERE amount > $1", (b"5",), rows_at_once=3),
        *query("UPDATE entry SET note = 'changed' WHERE amount < 100", "SELECT 1/0", "ROLLBACK"),
    ]
    for round_number in range(4):
        yield query(
            f"UPDATE entry SET amount = amount + {round_number}, note = upper(note)",
            "SELECT (SELECT max(balance) FROM account WHERE id = e.account) FROM entry e LIMIT 3",
            f"DELETE FROM entry WHERE amount < {50 * round_number}",
            "SELECT count(*) FROM entry WHERE EXISTS (SELECT 1 FROM account WHERE id = account)",
            "SELECT 1 UNION SELECT 2 EXCEPT SELECT 1",
        )
    yield query(
        "VACUUM entry",
        "CHECKPOINT",
        "DROP TABLE account",
        "SELECT relname, relnatts FROM pg_class WHERE oid > 16000 ORDER BY 1",
        "SELECT name, setting FROM pg_settings",
        "SHOW ALL",
        "SELECT relname, relfilenode FROM pg_class",
        "SELECT state, query FROM pg_stat_activity",
    )


class Life:
    """A cluster, all of whose processes are this one."""

    def __init__(self, root: str, chance: int) -> None:
        self.host = CountingHost(root, chance)
        self.config: Config
        self.shared: Shared

    def run(self) -> list[str]:
        """From initdb to the second shutdown; each call of the host."""
        host = self.host
        initialize_through(host, SOMEWHERE, wal_segment_mb=1, password="secret")
        lock_data_directory(host, SOMEWHERE)
        options = {"shared_buffers": "16", "wal_buffers": "8", "max_connections": "5"}
        self.config = read_configuration(host, options).replace(
            wal_segment_size=1 << 20, data_directory=SOMEWHERE
        )
        pid_file = PidFile(host, SOMEWHERE, 5432)
        self.start()
        for script in sessions():
            self.serve(script)
        # A crash: memory is gone, and what is not written.
        self.start()
        self.serve(query("SELECT count(*), sum(amount) FROM entry", "TABLE account"))
        self.shut_down()
        pid_file.remove()
        host.let_go()
        return host.calls

    def start(self) -> None:
        """New shared memory, a checkpointer, and the startup process to its end."""
        self.shared = Shared(self.host, self.config)
        checkpointer = Instance(
            self.host, self.shared, self.config, BackendType.CHECKPOINTER, BackendType.CHECKPOINTER
        )
        self.checkpointer = checkpointer
        self.schedule = CheckpointSchedule(
            self.host,
            checkpointer.log,
            self.config,
            checkpoints=Checkpoints(
                self.host,
                checkpointer.log,
                self.config,
                wal=checkpointer.wal,
                control=checkpointer.control,
                buffers=checkpointer.buffers,
                clog=checkpointer.clog,
                sync=checkpointer.sync,
                xids=checkpointer.xids,
                proc_array=checkpointer.proc_array,
                procs=checkpointer.procs,
                requests=checkpointer.checkpoint_requests,
            ),
            requests=checkpointer.checkpoint_requests,
            sync=checkpointer.sync,
            wal=checkpointer.wal,
            close_files=checkpointer.smgr.close_all,
        )
        self.host.when_idle = self.schedule.round  # type: ignore[assignment]
        with leaving():
            child.run(self.host, self.shared, self.config, BackendType.STARTUP, startup.main)

    def serve(self, script: list[bytes]) -> None:
        """One session, from its connection to its end."""
        greeting = build_startup_message({"user": "postgres", "database": "postgres"})
        self.host.script = [greeting, *script, TERMINATE]
        with leaving():
            backend.serve(
                self.host, self.shared, self.config, FIRST_BACKEND_SLOT, CLIENT, Peer(None, 0)
            )
        self.schedule.round()

    def shut_down(self) -> None:
        """The shutdown checkpoint."""
        self.schedule.shut_down()
        self.checkpointer.leave()


@contextmanager
def leaving() -> Iterator[None]:
    """A process that ends in order."""
    try:
        yield
    except ProcessExit as leave:
        if leave.status:
            raise AssertionError(f"a process ended with status {leave.status}") from leave


def live(chance: int = 0) -> list[str]:
    """A life in a new directory: each call of the host, in order. `chance` is a seed."""
    with tempfile.TemporaryDirectory(prefix="determinism-") as directory:
        life = Life(str(Path(directory) / "data"), chance)

        def watch(phase: str, info: dict[str, int]) -> None:
            life.host.in_collection = phase == "start"

        gc.callbacks.append(watch)
        try:
            return life.run()
        finally:
            gc.callbacks.remove(watch)


if __name__ == "__main__":
    sys.stdout.write("\n".join(live()) + "\n")
