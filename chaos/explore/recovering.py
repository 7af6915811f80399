"""The engine's recoverer, as workers use it: an image in, what was found out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chaos.disk.image import Image
from chaos.disk.log import read_log
from chaos.disk.operations import Operation
from chaos.explore.checking import Found
from chaos.explore.recovery import Problem, Recovered, Recoverer
from chaos.explore.workers import OpenRecoverer
from chaos.explore.workers import Recoverer as Recovers
from chaos.oracle import HarnessBroken


class _Engine:
    """A `Recoverer` of chaos/explore/workers.py."""

    def __init__(self, recoverer: Recoverer, statements: Sequence[str], directory: Path) -> None:
        self._recoverer = recoverer
        self._statements = statements
        self._log = directory / "io.log"

    def recover(self, image: Image) -> Found:
        return found_in(self._recoverer.recover(image, self._statements))

    def log_of(self, image: Image) -> tuple[Image, list[Operation]]:
        recovered = self._recoverer.recover(image, io_log=self._log)
        if recovered.before is None:
            raise HarnessBroken("a recovery with an I/O log has no image to begin with")
        operations, _ = read_log(self._log)
        failed = recovered.failure is not None
        return recovered.before, operations if failed else operations[: recovered.recovered_at]


def open_engine(base: Image, statements: Sequence[str]) -> OpenRecoverer:
    """What makes recoverers of the engine; `base` is an image of this cluster that recovers."""

    @contextmanager
    def opened() -> Iterator[Recovers]:
        with (
            tempfile.TemporaryDirectory(prefix="chaos-") as directory,
            Recoverer(base, statements) as recoverer,
        ):
            yield _Engine(recoverer, statements, Path(directory))

    return opened


def found_in(recovered: Recovered) -> Found:
    """What the checkers are to know of it."""
    return Found(
        str(recovered.failure) if recovered.failure is not None else "",
        recovered.answers,
        _as_error(recovered.error),
        recovered.pages,
    )


def _as_error(problem: Problem | None) -> str:
    """An error as a client would have been told it."""
    return "" if problem is None else f"{problem.sqlstate} {problem.message}".strip()
