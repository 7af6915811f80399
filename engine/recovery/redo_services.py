"""What replay works with, in the startup process, beside the pages themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.host.api import Host
from engine.recovery.control import Control
from engine.shmem.log import Log
from engine.storage.redo_context import RedoContext
from engine.transaction.xids import XidShared
from engine.types import RelFileLocator


class RedoClog(Protocol):
    """What replay needs of the commit log (`engine.transaction.clog`)."""

    def set_status(self, xid: int, subxids: Sequence[int], status: int, lsn: int) -> None: ...

    def redo_zero_page(self, page: int) -> None: ...


class DropsPages(Protocol):
    """What replay needs of the buffer pool to drop a relation."""

    def drop_relations(self, locators: Iterable[RelFileLocator]) -> None: ...


class RemovesFiles(Protocol):
    """What replay needs of the storage manager to drop a relation."""

    def unlink_relation(self, locator: RelFileLocator, is_redo: bool = False) -> None: ...


@dataclass
class RedoServices:
    """The services, and what replay must know of the WAL."""

    host: Host
    log: Log
    control: Control
    clog: RedoClog
    xids: XidShared
    buffers: DropsPages
    smgr: RemovesFiles
    pages: RedoContext
    timeline: int = 1
    overwritten_record_lsn: Callable[[], int] = lambda: 0
    """The cut record that the reader passed over last (`WalReader.overwritten_record_lsn`)."""
