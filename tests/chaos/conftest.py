"""What several of these tests need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.stage import Stage


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A TMPDIR of the run's own, to see what is left in it; open to PostgreSQL's user."""
    with tempfile.TemporaryDirectory(prefix="test-chaos-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A world with a hand-over every few steps, whose controller is the test."""
    with Stage(tmp_path / "world") as one:
        yield one
