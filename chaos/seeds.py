"""Child seeds: one independent stream of chance per purpose.

A stream is named by a path ("faults", 3), so drawing more from one leaves all the others alone: a
plan with one more setting has the same faults at the same places.
"""

from __future__ import annotations

import hashlib
import random


def child_seed(seed: int, *names: str | int) -> int:
    """A 64-bit seed for the stream with this name."""
    path = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big")


def stream(seed: int, *names: str | int) -> random.Random:
    """The stream with this name, at its beginning."""
    return random.Random(child_seed(seed, *names))
