"""Initialized data directories, made once and copied for each run.

They live in the user's cache directory, one per target, version and configuration, each made under
a file lock, since several runs may want the same one at once. Who has no directory to keep them in
(a service without a home, say) has one made for each run, which takes longer.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from filelock import FileLock

TEMPLATES_KEPT: Final = 6
"""Per target; the others, least recently used first, are removed."""


def cache_directory() -> Path | None:
    """Where templates are kept between runs; None when nothing can be kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        path = (Path(base) if base else Path.home() / ".cache") / "chaos" / "templates"
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: no home directory is known
        return None
    return path if os.access(path, os.W_OK | os.X_OK) else None


def copy_of_template(
    target: str,
    version: str,
    configuration: str,
    build: Callable[[Path], None],
    destination: Path,
) -> None:
    """Copy the template, which is built first if it is not there.

    All under the lock: another version's run may be about to remove a template that it thinks old.
    """
    cache = cache_directory()
    if cache is None:
        build(destination)
        return
    path = cache / f"{target}-{_digest(version)}-{_digest(configuration)}"
    with FileLock(cache / f"{target}.lock"):
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as scratch:
                build(Path(scratch) / "data")
                (Path(scratch) / "data").rename(path)
        os.utime(path)
        templates = sorted(cache.glob(f"{target}-*"), key=lambda found: found.stat().st_mtime)
        for old in templates[:-TEMPLATES_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        copy_tree(path, destination)


def copy_tree(source: Path, destination: Path) -> None:
    """Copy a directory with everything in it; a file that vanishes meanwhile is left out."""
    subprocess.run(
        ["cp", "-a", "--reflink=auto", str(source), str(destination)],
        check=False,
        stderr=subprocess.DEVNULL,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
