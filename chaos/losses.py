"""What a power loss did to the disk, operation by operation: for the history, for the bundle's
`disk.json`, and for `chaos disk show`.

An operation that was not durable is *kept*, *lost* or *torn*: of a torn write some sectors are
there and others are not. Atoms are the pieces that the device writes wholly or not at all, counted
from 0; the size of a file that grew may be kept without what was written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from chaos.disk.choice import Choice, Pending
from chaos.disk.operations import Kind
from chaos.disk.profiles import Profile

FILE: Final = "disk.json"
KEPT: Final = "kept"
LOST: Final = "lost"
TORN: Final = "torn"
FATES: Final = (LOST, TORN, KEPT)


class NoLosses(ValueError):
    """A file that does not tell of power losses; says why."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One power loss. `which` counts those of the cycle from 0; `style` says how the choice was
    drawn; `image` and `before` are digests of the data directory after and before it.
    """

    cycle: int
    which: int
    step: int
    time_us: int
    style: str
    profile: Profile
    pending: Sequence[Pending]
    choice: Choice
    states: int
    before: str
    image: str

    def masks(self) -> list[int]:
        """What is kept of each pending operation, as bits of its atoms and then of its size."""
        special = dict(self.choice.masks)
        return [
            special.get(place, one.full if place < self.choice.kept_before else one.must)
            for place, one in enumerate(self.pending)
        ]

    def summary(self) -> dict[str, Any]:
        """For the history."""
        fates = Counter(fate_of(one, mask) for one, mask in self._pairs())
        return {
            "profile": self.profile.name,
            "in_contract": self.profile.in_contract,
            "step": self.step,
            "style": self.style,
            "pending": len(self.pending),
            **{fate: fates[fate] for fate in FATES},
            "image": self.image,
        }

    def to_object(self) -> dict[str, Any]:
        """All of it, as JSON values: the files in order of their names, operations in log order."""
        files: dict[str, list[dict[str, Any]]] = {}
        for one, mask in self._pairs():
            files.setdefault(_file_of(one), []).append(_operation(one, mask))
        return {
            "cycle": self.cycle,
            "which": self.which,
            "time_us": self.time_us,
            **self.summary(),
            "before": self.before,
            "legal_states": str(self.states),
            "choice": self.choice.to_object(),
            "files": [{"path": path, "operations": files[path]} for path in sorted(files)],
        }

    def _pairs(self) -> list[tuple[Pending, int]]:
        return list(zip(self.pending, self.masks(), strict=True))


def fate_of(pending: Pending, mask: int) -> str:
    """Kept, lost or torn. What was durable of it before does not make it kept."""
    if mask == pending.full:
        return KEPT
    return TORN if mask else LOST


def _file_of(pending: Pending) -> str:
    """The path that a reader looks for: of a rename the new one."""
    operation = pending.operation
    return operation.other if operation.kind in (Kind.RENAME, Kind.LINK) else operation.path


def _operation(pending: Pending, mask: int) -> dict[str, Any]:
    operation = pending.operation
    found: dict[str, Any] = {
        "number": operation.number,
        "step": operation.step,
        "role": operation.role,
        "site": operation.site,
        "kind": operation.kind.name.lower(),
        "fate": fate_of(pending, mask),
    }
    if operation.kind in (Kind.RENAME, Kind.LINK):
        found["from"] = operation.path
    if operation.kind is Kind.TRUNCATE:
        found["size"] = operation.offset
    if operation.kind is Kind.WRITE:
        found |= {"offset": operation.offset, "bytes": len(operation.data)}
        found |= {"atoms": pending.atoms, "kept_atoms": ranges(mask, pending.atoms)}
        if pending.grows:
            found["size_kept"] = bool(mask >> pending.atoms)
    return found


def ranges(mask: int, atoms: int) -> str:
    """The bits that are set, as `0-3,5`; empty for none."""
    found, first = [], None
    for at in range(atoms + 1):
        if at < atoms and mask >> at & 1:
            first = at if first is None else first
        elif first is not None:
            found.append(str(first) if first == at - 1 else f"{first}-{at - 1}")
            first = None
    return ",".join(found)


def with_images(digest: str, images: Sequence[str]) -> str:
    """The digest of a run that had these crash images: of its steps alone when it had none."""
    if not images:
        return digest
    return sha256(" ".join((digest, *images)).encode()).hexdigest()


def differing_image(one: Sequence[Any], other: Sequence[Any]) -> str | None:
    """Where two runs' power losses (`power_losses` of their results) first differ, in words."""
    for first, second in zip_longest(one, other):
        if first != second:
            told = first or second
            return f"the power loss at step {told['step']}, in cycle {told['cycle']}"
    return None


# the file in a bundle ----------------------------------------------------------------------------


def write_losses(path: Path, losses: Sequence[Loss]) -> None:
    """`disk.json`; OSError."""
    profile = losses[0].profile
    found = {
        "profile": profile.name,
        "in_contract": profile.in_contract,
        "says": profile.summary,
        "atom": profile.atom,
        "losses": [loss.to_object() for loss in losses],
    }
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read_losses(path: Path) -> dict[str, Any]:
    """What `write_losses` wrote; NoLosses."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoLosses(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("losses"), list):
        raise NoLosses(f"{path} does not tell of power losses")
    return found
