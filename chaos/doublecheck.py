"""Each seed twice: two runs of one plan under the baton must be the same run.

What is compared, in this order: the trace, step by step; what each power loss left of the disk;
the digest, which is of both; the history, event by event; what the server logged; and every file of
the data directory, byte by byte, as it is at the end of the run. The first difference makes the
harness broken, and a bundle with both runs is left: the first as any bundle, the second in its
directory `again`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from chaos.bundle import (
    DATA,
    HISTORY,
    LOGS,
    Finished,
    Keeper,
    bundle_directory,
    write_bundle,
    write_summary,
)
from chaos.losses import differing_image
from chaos.plan import BATON, Plan
from chaos.session import Session
from chaos.targets.api import TargetUnusable
from chaos.trace.difference import first_difference
from chaos.trace.recording import NoRecording, Recording
from chaos.verdict import Verdict

AGAIN: Final = "again"
SAME: Final = "same"
PIECE: Final = 1 << 20
SHOWN: Final = 8
"""Bytes of a file from the first that differs."""
LONGEST: Final = 200
"""Characters of a value that are shown."""
RUNS: Final = ("first run", "second run")


def run_twice(session: Session, plan: Plan, command: str) -> dict[str, Any]:
    """The first run's result, with `doublecheck` added; harness broken when the second was
    another. TargetUnusable.
    """
    if plan.schedule != BATON:
        raise TargetUnusable("two runs of one plan are the same run under the baton only")
    with tempfile.TemporaryDirectory(prefix="chaos-twice-") as scratch:
        first, second = Path(scratch) / "first", Path(scratch) / "second"
        result = session.run(plan, command, keep_in(first))
        if result["verdict"] == Verdict.HARNESS_BROKEN:
            return result | {"doublecheck": "not done: the harness is broken"}
        other = session.run(plan, command, keep_in(second), is_told=False)
        message = difference(first, second, result, other)
        if message is None:
            return result | {"doublecheck": SAME}
        result |= {"verdict": str(Verdict.HARNESS_BROKEN), "reason": message}
        result |= {"doublecheck": message}
        if session.out is not None:
            try:
                bundle = result["bundle"] or bundle_directory(session.out, plan.seed)
                result["bundle"] = str(bundle)
                _keep_both(
                    Path(bundle), session.suite_name, command, (first, result), (second, other)
                )
            except OSError as error:
                result["reason"] += f"; the bundle could not be written: {error}"
        return result


def keep_in(path: Path) -> Keeper:
    """Keeps a run as a bundle, in a directory that is not there yet."""

    def keep(finished: Finished) -> None:
        path.mkdir()
        write_bundle(path, finished)

    return keep


def difference(
    first: Path, second: Path, one: Mapping[str, Any], other: Mapping[str, Any]
) -> str | None:
    """The first difference between two runs that were kept as bundles, in words."""
    try:
        traces = first_difference(Recording.load(first), Recording.load(second))
    except NoRecording as error:
        return f"the two runs cannot be compared: {error}; {one['reason'] or other['reason']}"
    if traces is not None:
        shown = "\n".join(traces.lines(*RUNS))
        return (
            f"the same plan ran twice and was not the same run from step {traces.step} on:\n{shown}"
        )
    if image := differing_image(one["power_losses"], other["power_losses"]):
        return f"two runs with the same steps left different crash images: {image}"
    if one["digest"] != other["digest"]:
        return f"the same steps have two digests: {one['digest']} and {other['digest']}"
    histories = _differing_event(first / HISTORY, second / HISTORY)
    if histories is not None:
        return f"two runs with the same steps have different histories: {histories}"
    for part in (LOGS, DATA):
        found = differing_file(first / part, second / part)
        if found is not None:
            return f"two runs with the same steps left different files: {part}/{found}"
    if one["verdict"] != other["verdict"]:
        return f"two runs with the same steps were judged {one['verdict']} and {other['verdict']}"
    return None


def _differing_event(first: Path, second: Path) -> str | None:
    """The first event that is not the same; a history may be missing altogether."""
    for number, (one, other) in enumerate(zip_longest(_lines(first), _lines(second))):
        if one is None or other is None:
            return f"the {'first' if one is None else 'second'} one ends before event {number}"
        if one != other:
            return f"event {number}, {_differing_keys(json.loads(one), json.loads(other))}"
    return None


def _differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key}: {str(one.get(key))[:LONGEST]}, then {str(other.get(key))[:LONGEST]}"
        for key in dict.fromkeys((*one, *other))
        if one.get(key) != other.get(key)
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


# files -------------------------------------------------------------------------------------------


def differing_file(first: Path, second: Path) -> str | None:
    """The first difference between two directories, in order of the names: which file, and how."""
    one, other = _tree(first), _tree(second)
    for name in sorted({*one, *other}):
        if name not in one:
            return f"{name} is there only after the second run"
        if name not in other:
            return f"{name} is there only after the first run"
        if one[name] != other[name]:
            return f"{name} is a {one[name]} after the first run, a {other[name]} after the second"
        if one[name] == "file":
            found = _differing_byte(first / name, second / name)
            if found is not None:
                return f"{name} differs {found}"
    return None


def _tree(top: Path) -> dict[str, str]:
    """What there is below a directory, by its path there."""
    found = {}
    for directory, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = Path(directory) / name
            kind = "link" if path.is_symlink() else "directory" if path.is_dir() else "file"
            found[str(path.relative_to(top))] = kind
    return found


def _differing_byte(first: Path, second: Path) -> str | None:
    start = 0
    for one, other in zip_longest(_pieces(first), _pieces(second), fillvalue=b""):
        if one != other:
            pairs = enumerate(zip(one, other, strict=False))
            at = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
            shown = [piece[at : at + SHOWN].hex(" ") or "its end" for piece in (one, other)]
            return f"from byte {start + at} on: {shown[0]}, then {shown[1]}"
        start += len(one)
    return None


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _keep_both(
    bundle: Path,
    suite: str,
    command: str,
    first: tuple[Path, Mapping[str, Any]],
    second: tuple[Path, Mapping[str, Any]],
) -> None:
    """One bundle of the two."""
    for (kept, result), path in ((first, bundle), (second, bundle / AGAIN)):
        shutil.copytree(kept, path, dirs_exist_ok=True, symlinks=True)
        write_summary(path, {**result, "suite": suite}, command)
