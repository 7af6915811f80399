"""Makes stable what differs from run to run: times, pids, identifiers, and where WAL begins."""

from __future__ import annotations

import re

from engine.wal.page import LONG_HEADER_SIZE, SHORT_HEADER_SIZE

_LSN = re.compile(r"(?<![/\w])([0-9A-F]{1,8})/([0-9A-F]{1,8})(?![/\w])")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? UTC")
_LOG_PREFIX = re.compile(r"^<time> \[\d+\] ")
_SECONDS = re.compile(r"\d+\.\d+ s\b")
_PID = re.compile(r"\bPID \d+")
_CHECKSUM = re.compile(r"checksum [0-9A-F]{4} \((\w+)(?: [0-9A-F]{4})?\)")
_CHECKSUMS = re.compile(r"checksum \d+ but expected \d+")
_WAL_PAGE_SIZE = 8192


class Masks:
    """The names given to LSNs and processes so far in one script."""

    def __init__(self, segment_size: int) -> None:
        self._segment_size = segment_size
        self._lsns: dict[int, str] = {}
        self._pids: dict[int, str] = {}

    def name_process(self, pid: int, name: str) -> None:
        """From now on the pid is shown as that name."""
        self._pids[pid] = name

    def lsn(self, lsn: int) -> str:
        """`@1`, `@2`, ... in order of appearance; the same for the same place.

        The end of one record and the beginning of the next are the same place, even if a page
        header lies between them.
        """
        if lsn == 0:
            return "0/0"
        if lsn % self._segment_size == 0:
            lsn += LONG_HEADER_SIZE
        elif lsn % _WAL_PAGE_SIZE == 0:
            lsn += SHORT_HEADER_SIZE
        return self._lsns.setdefault(lsn, f"@{len(self._lsns) + 1}")

    def lsns(self, text: str) -> str:
        """Text with its LSNs named."""
        return _LSN.sub(lambda match: self.lsn((int(match[1], 16) << 32) + int(match[2], 16)), text)

    def processes(self, text: str) -> str:
        """Text with the pids of the script's sessions replaced by their names."""
        return re.sub(r"\b\d+\b", lambda match: self._pids.get(int(match[0]), match[0]), text)

    def wal(self, line: str) -> str:
        """A line of waldump."""
        return _TIME.sub("<time>", self.lsns(line))

    def page(self, line: str) -> str:
        """A line of pagedump. A checksum depends on the LSN: only the verdict is kept."""
        return _CHECKSUM.sub(r"checksum \1", self.lsns(line))

    def log(self, line: str) -> str:
        """A line of the server log, without its prefix."""
        line = _LOG_PREFIX.sub("", _TIME.sub("<time>", line))
        line = _SECONDS.sub("<n> s", line)
        line = _CHECKSUMS.sub("checksum <n> but expected <n>", line)
        return self.lsns(_PID.sub("PID <pid>", line))
