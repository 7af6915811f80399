"""What is kept of a run that did not hold: all that is needed to understand it and to do it again.

summary.json    the result, versions, and the command that runs the seed again
plan.json       all that the seed decided
history.jsonl   the operations, one event a line; history.edn is the same for Jepsen's tools
logs/           what the server logged
data-crash/     the data directory as the last crash left it (the plan: which kills have one)
data/           the data directory at the end of the run
harness.txt     the traceback, if it was the harness that broke
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.history import History, event_to_edn, write_history
from chaos.plan import Plan
from chaos.targets.api import Target
from chaos.targets.templates import copy_tree


def bundle_directory(out: Path, seed: int) -> Path:
    """A new directory for this seed: `seed-7`, or `seed-7.2` when that exists."""
    out.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = out / (f"seed-{seed}" if number == 1 else f"seed-{seed}.{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def write_bundle(
    path: Path,
    plan: Plan,
    history: History | None,
    target: Target | None,
    harness: str | None,
) -> None:
    """Everything but the summary, while the target's files are still there."""
    (path / "plan.json").write_text(json.dumps(plan.to_object(), indent=2) + "\n", encoding="utf-8")
    if history is not None:
        write_history(path / "history.jsonl", history)
        with (path / "history.edn").open("w", encoding="utf-8") as file:
            file.writelines(event_to_edn(event) + "\n" for event in history)
    if harness is not None:
        (path / "harness.txt").write_text(harness, encoding="utf-8")
    if target is None:
        return
    logs = path / "logs"
    logs.mkdir()
    for log in target.log.paths():
        shutil.copyfile(log, logs / log.name)
    if target.data_directory.is_dir():
        copy_tree(target.data_directory, path / "data")
    image = target.crash_image_directory()
    if image is not None:
        copy_tree(image, path / "data-crash")


def write_summary(path: Path, result: Mapping[str, Any], command: str) -> None:
    """Last, since it says that the bundle is complete."""
    summary = {
        **result,
        "command": command,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
    }
    (path / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
