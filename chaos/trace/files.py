"""The trace of a run written out for people, as `chaos run --trace FILE` asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from chaos.bundle import Finished, Keeper
from chaos.trace.perfetto import ALL_UP_TO, write_perfetto
from chaos.trace.recording import Recording
from chaos.trace.text import text_lines

PERFETTO_SUFFIX: Final = ".perfetto.json"


def perfetto_path(path: Path) -> Path:
    """Where the file for Perfetto goes that belongs to the text at `path`."""
    return path.with_name(path.name + PERFETTO_SUFFIX)


def trace_into(path: Path) -> Keeper:
    """Keeps the trace of a run there."""

    def keep(finished: Finished) -> None:
        if finished.recording is not None:
            write_trace(path, finished.recording)

    return keep


def write_trace(path: Path, recording: Recording) -> None:
    """Write both files; OSError."""
    lines = 0
    with path.open("w", encoding="utf-8") as file:
        for line in text_lines(recording):
            file.write(line + "\n")
            lines += 1
    with perfetto_path(path).open("w", encoding="utf-8") as file:
        write_perfetto(file, recording, is_long=lines > ALL_UP_TO)
