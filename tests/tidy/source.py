"""The tree as the tidy tests see it: the files, parsed once, and how a complaint is made."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "chaos", "properties")


class Import(NamedTuple):
    """One module that a file imports, and where."""

    module: str
    line: int


@functools.cache
def project_files() -> tuple[Path, ...]:
    """Every file that belongs to the project: known to git, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:  # not a git checkout: an unpacked source archive
        paths = [path for top in (*PACKAGES, "tests") for path in (ROOT / top).rglob("*")]
        return tuple(sorted(path for path in paths if "__pycache__" not in path.parts))
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files(*tops: str) -> Iterator[Path]:
    """The Python files below `tops`, directories or files of the root; default: the packages."""
    for path in project_files():
        if path.suffix == ".py" and relative(path).parts[0] in (tops or PACKAGES):
            yield path


def relative(path: Path) -> Path:
    """The path as messages show it."""
    return path.relative_to(ROOT)


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[Import]:
    """Every module that the file imports, wherever in the file; `from a import b` counts as a."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield Import(node.module, node.lineno)


def complain(problems: list[str], cure: str) -> None:
    """Fail, listing the problems and what to do about them."""
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise AssertionError(f"{len(problems)} to mend:\n{listed}\nCure: {cure}")
