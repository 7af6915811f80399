"""Initialized data directories, made once and copied for each run.

They live in the user's cache directory, one per target, version and configuration, each made under
a file lock, since several runs may want the same one at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def cache_directory() -> Path:
    """Where templates are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "chaos" / "templates"


def template(target: str, version: str, configuration: str, build: Callable[[Path], None]) -> Path:
    """The template's directory, built now if it is not there. Templates of other versions are
    removed.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    stem = f"{target}-{_digest(version)}"
    path = cache / f"{stem}-{_digest(configuration)}"
    with FileLock(cache / f"{target}.lock"):
        if not path.exists():
            for old in sorted(cache.glob(f"{target}-*")):
                if not old.name.startswith(stem):
                    shutil.rmtree(old, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as scratch:
                build(Path(scratch) / "data")
                (Path(scratch) / "data").rename(path)
    return path


def copy_tree(source: Path, destination: Path) -> None:
    """Copy a directory with everything in it; a file that vanishes meanwhile is left out."""
    subprocess.run(
        ["cp", "-a", "--reflink=auto", str(source), str(destination)],
        check=False,
        stderr=subprocess.DEVNULL,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
