"""Logs and histories that were made up, and a recoverer that needs no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from chaos.disk.image import Image
from chaos.disk.operations import Operation
from chaos.explore.checking import Found
from chaos.explore.recorded import Moment, Recorded
from chaos.explore.workers import OpenRecoverer, Recoverer
from chaos.history import Event
from chaos.workloads.api import Answer
from tests.chaos.disk.bench import Bench

SECTOR = 512


def a_bench(**files: bytes) -> Bench:
    """A disk with a few files and the directory `d`."""
    return Bench("strict", files or {"a": b"", "b": b""}, ("d",))


def recorded_of(
    bench: Bench,
    events: Sequence[Event] = (),
    places: Sequence[int] = (),
    moments: dict[int, list[Moment]] | None = None,
    first: int = 0,
) -> Recorded:
    """A recorded run with this log, of a bank of two accounts."""
    mix = {"bank": {"accounts": 2, "balance": 100}, "append": {}}
    return Recorded(
        bench.base, bench.log, list(events), list(places), moments or {}, first, "bank", mix, {}
    )


class FromImage:
    """Finds in an image what a function says."""

    def __init__(self, find: Callable[[Image], Found]) -> None:
        self._find = find

    def recover(self, image: Image) -> Found:
        return self._find(image)

    def log_of(self, image: Image) -> tuple[Image, list[Operation]]:
        return image, []


def opener(find: Callable[[Image], Found]) -> OpenRecoverer:
    """For workers."""

    @contextmanager
    def opened() -> Iterator[Recoverer]:
        yield FromImage(find)

    return opened


def ledger_file(path: str) -> Callable[[Image], Found]:
    """The audit's answers when the ledger is a file of numbered sectors: transaction n is there if
    sector n - 1 has it.
    """

    def find(image: Image) -> Found:
        content = image.files.get(path)
        if content is None:
            return Found(failure=f"{path} is gone")
        data = content.data
        there = [n + 1 for n in range(len(data) // SECTOR) if data[n * SECTOR] == n + 1]
        rows = [(str(number),) for number in there]
        accounts = [(str(n), "100", "0") for n in (1, 2)]
        answers = (Answer([], "BEGIN"), Answer(list(rows), ""), Answer(list(accounts), ""),
                   Answer([], "COMMIT"))  # fmt: skip
        return Found(answers=answers)

    return find


def sector(number: int) -> bytes:
    """That says that transaction `number` is there."""
    return bytes([number]) * SECTOR


def event(
    index: int, kind: str, process: int | str, transaction: int | None = None, f: str = "read",
    value: object = None,
) -> Event:  # fmt: skip
    """One event; reads of nothing, unless said otherwise."""
    value = {"totals": []} if value is None and f == "read" else value
    return Event(index, index, kind, process, f, value, transaction)  # type: ignore[arg-type]
