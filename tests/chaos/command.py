"""`chaos run` as a process, and what it has left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def start(scratch: Path, *arguments: str, planted: str = "") -> subprocess.Popen[str]:
    """`chaos run` as a process; with bugs planted, if there is a directory of them."""
    path = os.pathsep.join(filter(None, (planted, str(ROOT))))
    return subprocess.Popen(
        [sys.executable, "-m", "chaos", "run", "--out", str(scratch / "out"), *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def chaos(scratch: Path, *arguments: str, planted: str = "") -> tuple[int, str, str]:
    """`chaos run` to its end: status, output, errors."""
    process = start(scratch, *arguments, planted=planted)
    output, errors = process.communicate(timeout=150)
    assert "Traceback" not in output + errors
    return process.returncode, output, errors


def left_in(scratch: Path, but: Sequence[str] = ()) -> list[str]:
    """Files in the scratch directory, and processes that were started with it."""
    files = [path.name for path in scratch.iterdir() if path.name not in but]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(scratch).encode() in environment:
                files.append(f"process {entry.name}")
    return files
