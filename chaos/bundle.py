"""What is kept of a run that did not hold: all that is needed to understand it and to do it again.

summary.json    the result, versions, the suite, and the command that runs the seed again
plan.json       all that the seed decided
history.jsonl   the operations, one event a line; history.edn is the same for Jepsen's tools
trace.bin.gz    under the baton: every step and every decision (chaos/trace/recording.py), with
names.json      the names of the files that the steps refer to
stacks.txt      under the baton: where each process was in its code
logs/           what the server logged
data-crash/     the data directory as the last crash left it (the plan: which kills have one);
                after a power loss that is the crash image
disk.json       of each power loss what the disk lost, tore and kept, operation by operation
                (chaos/losses.py); `chaos disk show` prints it
data/           the data directory at the end of the run
harness.txt     the traceback, if it was the harness that broke
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaos.history import History, event_to_edn, write_history
from chaos.losses import FILE as DISK_FILE
from chaos.losses import Loss, write_losses
from chaos.plan import Plan
from chaos.targets.api import Target
from chaos.targets.templates import copy_tree
from chaos.trace.recording import Recording
from chaos.versions import versions

SUMMARY: Final = "summary.json"
PLAN: Final = "plan.json"
HISTORY: Final = "history.jsonl"
LOGS: Final = "logs"
DATA: Final = "data"


def bundle_directory(out: Path, seed: int) -> Path:
    """A new directory for this seed."""
    return new_directory(out, f"seed-{seed}")


def new_directory(out: Path, name: str) -> Path:
    """A directory of this name, `seed-7`, or `seed-7.2` when that exists."""
    out.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = out / (name if number == 1 else f"{name}.{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over, while the target's files are still there.

    `history` is None when it did not even begin, `harness` the traceback if that broke;
    `recording` and `stacks` are there for a run under the baton, `stacks` only of one that failed.
    """

    plan: Plan
    history: History | None
    target: Target
    harness: str | None = None
    recording: Recording | None = None
    stacks: str | None = None
    losses: Sequence[Loss] = ()


Keeper = Callable[[Finished], None]
"""Keeps something of a run; OSError."""


def write_bundle(path: Path, finished: Finished) -> None:
    """Everything but the summary, into a directory that is there."""
    plan, history, target = finished.plan, finished.history, finished.target
    (path / PLAN).write_text(json.dumps(plan.to_object(), indent=2) + "\n", encoding="utf-8")
    if history is not None:
        write_history(path / HISTORY, history)
        with (path / "history.edn").open("w", encoding="utf-8") as file:
            file.writelines(event_to_edn(event) + "\n" for event in history)
    if finished.losses:
        write_losses(path / DISK_FILE, finished.losses)
    write_end(path, target, finished.harness, finished.recording, finished.stacks)


def write_end(
    path: Path,
    target: Target,
    harness: str | None,
    recording: Recording | None,
    stacks: str | None,
) -> None:
    """What there is of a target that is over, whoever drove it."""
    for name, text in (("harness.txt", harness), ("stacks.txt", stacks)):
        if text is not None:
            (path / name).write_text(text, encoding="utf-8")
    if recording is not None:
        recording.save(path)
    logs = path / LOGS
    logs.mkdir()
    for log in target.log.paths():
        shutil.copyfile(log, logs / log.name)
    if target.data_directory.is_dir() and target.data_directory != Path():
        copy_tree(target.data_directory, path / DATA)
    image = target.crash_image_directory()
    if image is not None:
        copy_tree(image, path / "data-crash")


def write_summary(path: Path, result: Mapping[str, Any], command: str) -> None:
    """Last, since it says that the bundle is complete."""
    summary = {
        **result,
        "command": command,
        "versions": versions(),
    }
    (path / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
