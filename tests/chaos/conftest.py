"""What several of these tests need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A TMPDIR of the run's own, to see what is left in it; open to PostgreSQL's user."""
    with tempfile.TemporaryDirectory(prefix="test-chaos-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)
