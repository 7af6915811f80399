"""The rig's fixtures, for the tests of the pool."""

from __future__ import annotations

from tests.engine.storage.conftest import make_rig, rig

__all__ = ["make_rig", "rig"]
