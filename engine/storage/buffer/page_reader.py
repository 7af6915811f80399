"""Bringing a page into its buffer, and judging what the file gave.

Source: PostgreSQL 15, `ReadBuffer_common` in `bufmgr.c`, `PageIsVerifiedExtended` in `bufpage.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import SqlError, SqlState
from engine.shmem.log import Log
from engine.storage.buffer.pool import PageKey
from engine.storage.checksum import page_checksum
from engine.storage.page import check_header, is_new, stored_checksum
from engine.storage.paths import relation_path
from engine.storage.smgr import Smgr
from engine.types import BLOCK_SIZE

_ZERO_PAGE: Final = bytes(BLOCK_SIZE)


class PageReader:
    """Reads pages from files for one process.

    `setting(name)` is the value of a setting; a backend puts in its session's way to them.
    """

    def __init__(
        self, smgr: Smgr, log: Log, setting: Callable[[str], object], *, checksums: bool
    ) -> None:
        self.setting = setting
        self._smgr = smgr
        self._log = log
        self._checksums = checksums

    def read(self, key: PageKey, page: memoryview, *, zero_on_error: bool) -> None:
        """Fill `page` from the file; XX001 when the page is invalid and may not be zeroed."""
        self._smgr.read_into(*key, page)
        locator, fork, block = key
        if self.verify(page, block):
            return
        message = f"invalid page in block {block} of relation {relation_path(locator, fork)}"
        if not zero_on_error and not self.setting("zero_damaged_pages"):
            raise SqlError(SqlState.DATA_CORRUPTED, message)
        self._log.warning(f"{message}; zeroing out page")
        page[:] = _ZERO_PAGE

    def verify(self, page: memoryview, block: int) -> bool:
        """Whether a page from the disk can be believed: new, or with header and checksum right."""
        if is_new(page):
            return check_header(page)
        if self._checksums:
            stored = stored_checksum(page)
            calculated = page_checksum(page, block)
            if stored != calculated:
                self._log.warning(
                    "page verification failed, "
                    f"calculated checksum {calculated} but expected {stored}"
                )
                return bool(self.setting("ignore_checksum_failure")) and check_header(page)
        return check_header(page)
