"""Settings of a server that keep what it promises, and make crashes more interesting; and worlds.

Each setting is in play or not (swarm testing: Groce et al., ISSTA 2012); the smallest example has
none. What takes promises back (`fsync`, `full_page_writes` before a power loss) is never drawn;
`synchronous_commit` is, since the model knows what it takes back.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from chaos.disk.profiles import PROFILES
from properties.models.world import World
from properties.strategies.schemas import schemas

DRAWN: Final = {
    "shared_buffers": ("128kB", "256kB", "16MB"),
    "wal_buffers": ("64kB", "1MB"),
    "bgwriter_delay": ("10ms", "50ms"),
    "wal_writer_delay": ("1ms", "10ms", "50ms"),
    "checkpoint_timeout": ("1s", "5s"),
    "checkpoint_completion_target": ("0", "0.9"),
    "synchronous_commit": ("off",),
}
"""Names, and what they may be instead of their default."""
IN_CONTRACT: Final = tuple(name for name, profile in PROFILES.items() if profile.in_contract)


@st.composite
def settings(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    """(name, value) of some settings, in the order of `DRAWN`."""
    used = draw(st.lists(st.sampled_from(tuple(DRAWN)), unique=True, max_size=4))
    return tuple((name, draw(st.sampled_from(DRAWN[name]))) for name in DRAWN if name in used)


def worlds() -> st.SearchStrategy[World]:
    """All that a program needs to be played."""
    return st.builds(
        World,
        schema=schemas(),
        settings=settings(),
        profile=st.sampled_from(IN_CONTRACT),
        seed=st.integers(0, 2**16),
        keys=st.just((1, 2, 3)),
    )
