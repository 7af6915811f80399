"""What a run depends on besides its plan: the interpreter, the packages, the sources, the system.

Under the baton two runs of one plan are the same run if these are the same. Sources are known by
their contents, so that a copy of them elsewhere is the same version.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    distributions,
    requires,
    version,
)
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

DISTRIBUTION: Final = "crashproof"
SOURCES: Final = ("engine", "chaos", "properties")


def versions() -> dict[str, Any]:
    """As JSON values, in a fixed order."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "sources": {name: source_digest(name) for name in SOURCES},
        "packages": {name: version(name) for name in sorted(_packages())},
    }


def _packages() -> list[str]:
    """What the project's installation asks for; everything that is there, when it is not installed
    and only its sources are there.
    """
    try:
        asked = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return [found.name for found in distributions()]
    names = [re.match(r"[\w.-]+", line) for line in asked if "extra ==" not in line]
    return [name[0] for name in names if name is not None and _is_installed(name[0])]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def source_digest(package: str) -> str:
    """Of all Python files of a package, by their names and contents; empty if there is no such
    package.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return ""
    digest = hashlib.sha256()
    for directory in spec.submodule_search_locations:
        for path in sorted(Path(directory).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(directory)} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two such objects, a line each: `python: CPython 3.11.2, now ...`."""
    found: list[str] = []
    for key in dict.fromkeys((*before, *now)):
        one, other = before.get(key), now.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += [f"{key}: {line}" for line in changes(one, other)]
        elif one != other:
            found.append(f"{key}: {one or 'none'}, now {other or 'none'}")
    return found
