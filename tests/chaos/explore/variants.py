"""Variants of the engine with a barrier at the wrong place, made by omission and reordering from
outside: named in `patches` of the engine target, they run in the server's processes alone.
"""

from __future__ import annotations

import importlib
from typing import Any

CONTROL_BEFORE_SYNC = "tests.chaos.explore.variants:control_before_sync"


def control_before_sync(_nothing: str) -> None:
    """A checkpoint writes pg_control first, and then syncs the files it has written."""
    checkpoints: Any = importlib.import_module("engine.recovery.checkpoint").Checkpoints
    requests: Any = importlib.import_module("engine.storage.sync_requests")
    statistics, process = requests.SyncStatistics(0, 0, 0), requests.SyncRequests.process
    publish = checkpoints._publish

    def nothing(_self: Any) -> Any:
        return statistics

    def publish_and_sync(self: Any, *arguments: Any) -> Any:
        published = publish(self, *arguments)
        process(self._sync)
        return published

    requests.SyncRequests.process = nothing
    checkpoints._publish = publish_and_sync
