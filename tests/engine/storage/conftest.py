"""Fixtures for the storage tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.storage.rig import Rig


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes a rig with other settings than usual."""
    rigs: list[Rig] = []

    def make(**settings: Any) -> Rig:
        rigs.append(Rig(tmp_path, **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.destroy()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A pool of 16 buffers over an empty data directory."""
    return make_rig()
