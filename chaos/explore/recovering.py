"""The engine's recoverer, as workers use it: an image in, what was found out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chaos.disk.image import Image
from chaos.explore.checking import Found
from chaos.explore.recovery import Problem, Recovered, Recoverer
from chaos.explore.workers import OpenRecoverer, Recover


def open_engine(base: Image, statements: Sequence[str]) -> OpenRecoverer:
    """What makes recoverers of the engine; `base` is an image of this cluster that recovers."""

    @contextmanager
    def opened() -> Iterator[Recover]:
        with Recoverer(base, statements) as recoverer:
            yield lambda image: found_in(recoverer.recover(image, statements))

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
