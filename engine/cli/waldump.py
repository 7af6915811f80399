"""`engine waldump`: WAL records as text, with the options, output and exit codes of pg_waldump.

Differences: times are in UTC; the records of Hash, Gin, Gist, SPGist, BRIN, ReplicationOrigin and
Generic have no layout here and show as `UNKNOWN`, with their block references.

Source: PostgreSQL 15, `pg_waldump.c`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

import click

from engine.cli.tool import Tool, fail, tool_command
from engine.cli.wal_files import SegmentPages, WalFileError, find_directory
from engine.cli.wal_statistics import WalStatistics
from engine.host.api import Host
from engine.host.real import RealHost
from engine.recovery.record_text import record_line
from engine.types import RelFileLocator, RelFork, format_lsn
from engine.wal import rmgr
from engine.wal.page import advance, is_segment_file_name, parse_segment_file_name
from engine.wal.reader import WalReader
from engine.wal.record import HEADER_SIZE, WalRecord

_HINT: Final = 'Try "engine waldump --help" for more information.'
_LSN: Final = re.compile(r"([0-9a-fA-F]{1,8})/([0-9a-fA-F]{1,8})")
_RELATION: Final = re.compile(r"(\d+)/(\d+)/(\d+)")
_FOLLOW_PAUSE_MS: Final = 1000
_FLUSH_LINES: Final = 1000
_Parsed = TypeVar("_Parsed")


class _WaldumpCommand(Tool):
    """`--stats` takes its value only after `=`, which click does not know of."""

    def prepare(self, args: list[str]) -> list[str]:
        if not args:
            _usage("no arguments specified")
        return [
            "--stats-by=" + argument.removeprefix("--stats=")
            if argument.startswith("--stats=")
            else argument
            for argument in args
        ]


@dataclass(slots=True)
class Filter:
    """Which records are shown."""

    rmids: frozenset[int] = frozenset()
    xid: int | None = None
    relation: RelFileLocator | None = None
    block: int | None = None
    fork: int | None = None
    only_with_image: bool = False

    def accepts(self, record: WalRecord) -> bool:
        if self.rmids and record.rmid not in self.rmids:
            return False
        if self.xid is not None and record.xid != self.xid:
            return False
        if not self._accepts_blocks(record):
            return False
        return not self.only_with_image or any(block.has_image for block in record.blocks)

    def _accepts_blocks(self, record: WalRecord) -> bool:
        if self.relation is None and self.block is None and self.fork is None:
            return True
        return any(
            (self.relation is None or block.locator == self.relation)
            and (self.block is None or block.block == self.block)
            and (self.fork is None or block.fork == self.fork)
            for block in record.blocks
        )


@dataclass(slots=True)
class Range:
    """Where to read: the directory with the segments, and from where to where (0: to the end)."""

    directory: str
    segment_size: int
    timeline: int
    start: int
    end: int


@tool_command(_WaldumpCommand)
@click.option("-b", "--bkp-details", is_flag=True, help="Output details of backup blocks.")
@click.option("-B", "--block", metavar="N", help="With --relation, only records for block N.")
@click.option("-e", "--end", metavar="RECPTR", help="Stop reading at WAL location RECPTR.")
@click.option("-f", "--follow", is_flag=True, help="Keep retrying after reaching end of WAL.")
@click.option("-F", "--fork", metavar="FORK", help="Only records for blocks in fork FORK.")
@click.option("-n", "--limit", metavar="N", help="Number of records to display.")
@click.option("-p", "--path", metavar="PATH", help="Directory of the segments, or above pg_wal.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("-r", "--rmgr", "rmgrs", multiple=True, metavar="RMGR",
              help="Only records of resource manager RMGR; `list` lists the names.")  # fmt: skip
@click.option("-R", "--relation", metavar="T/D/R", help="Only records for blocks of T/D/R.")
@click.option("-s", "--start", metavar="RECPTR", help="Start reading at WAL location RECPTR.")
@click.option("-t", "--timeline", metavar="TLI", help="Timeline to read (default: 1).")
@click.option("-w", "--fullpage", is_flag=True, help="Only records with a full page image.")
@click.option("-x", "--xid", metavar="XID", help="Only records with transaction id XID.")
@click.option("-z", "--stats", is_flag=True, help="Show statistics; --stats=record: per record.")
@click.option("--stats-by", hidden=True)
@click.option("--pgdata", envvar="PGDATA", hidden=True)
@click.argument("segments", nargs=-1, metavar="[STARTSEG [ENDSEG]]")
def waldump(
    bkp_details: bool,
    block: str | None,
    end: str | None,
    follow: bool,
    fork: str | None,
    limit: str | None,
    path: str | None,
    quiet: bool,
    rmgrs: tuple[str, ...],
    relation: str | None,
    start: str | None,
    timeline: str | None,
    fullpage: bool,
    xid: str | None,
    stats: bool,
    stats_by: str | None,
    pgdata: str | None,
    segments: tuple[str, ...],
) -> None:
    """Decode and display write-ahead log segments."""
    if "list" in rmgrs:
        click.echo("\n".join(rmgr.NAMES))
        return
    if len(segments) > 2:
        _usage(f'too many command-line arguments (first is "{segments[2]}")')
    if stats_by not in (None, "record", "rmgr"):
        _usage(f"unrecognized value for option --stats: {stats_by}")
    wanted = Filter(
        frozenset(map(_parse_rmgr, rmgrs)),
        _optional(xid, _parse_xid),
        _optional(relation, _parse_relation),
        _optional(block, _parse_block),
        _optional(fork, _parse_fork),
        fullpage,
    )
    if block is not None and relation is None:
        _usage("option -B/--block requires option -R/--relation to be specified")
    most = _optional(limit, _parse_limit)
    host = RealHost(".")
    where = _find_range(
        host,
        path,
        pgdata,
        segments,
        _optional(timeline, _parse_timeline) or 1,
        _optional(start, _parse_lsn) or 0,
        _optional(end, _parse_lsn) or 0,
    )
    printer = _Printer(quiet=quiet, block_details=bkp_details)
    if stats or stats_by is not None:
        printer.statistics = WalStatistics(where.start, per_record=stats_by == "record")
    try:
        error = dump(host, where, wanted, printer, most=most, follow=follow)
    except WalFileError as failure:
        printer.flush()
        fail(str(failure))
    printer.finish()
    if error is not None:
        fail(error)


class _Printer:
    """Collects lines, so that output is written in large pieces; or counts instead."""

    def __init__(self, *, quiet: bool, block_details: bool) -> None:
        self.statistics: WalStatistics | None = None
        self._quiet = quiet
        self._block_details = block_details
        self._lines: list[str] = []

    def skipped(self, asked: int, found: int) -> None:
        length = found - asked
        unit = "byte" if length == 1 else "bytes"
        self._lines.append(
            f"first record is after {format_lsn(asked)}, at {format_lsn(found)}, "
            f"skipping over {length} {unit}"
        )

    def show(self, record: WalRecord) -> None:
        if self._quiet:
            return
        if self.statistics is not None:
            self.statistics.add(record)
            return
        self._lines.append(record_line(record, block_details=self._block_details))
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            click.echo("\n".join(self._lines))
            self._lines.clear()
            sys.stdout.flush()

    def finish(self) -> None:
        self.flush()
        if self.statistics is not None and not self._quiet:
            click.echo(self.statistics.text(), nl=False)


def dump(
    host: Host,
    where: Range,
    wanted: Filter,
    printer: _Printer,
    *,
    most: int | None = None,
    follow: bool = False,
) -> str | None:
    """Show the records of the range; the message about one that could not be read, or None."""
    pages = SegmentPages(host, where.directory, where.timeline, where.segment_size, where.end)
    reader = WalReader(pages, where.segment_size, timeline=where.timeline)
    first = reader.find_next(where.start)
    if first == 0:
        return f"could not find a valid record after {format_lsn(where.start)}"
    if first != where.start and where.start % where.segment_size:
        printer.skipped(where.start, first)
    if printer.statistics is not None:
        printer.statistics.start = first
    shown = 0
    while most is None or shown < most or most <= 0:
        last = reader.last_record_lsn
        record = reader.read()
        if record is None:
            if pages.reached_end or (where.end and reader.end_lsn + HEADER_SIZE > where.end):
                return None
            if not follow:
                return f"error in WAL record at {format_lsn(last)}: {reader.end_of_wal}"
            printer.flush()
            pages.forget()
            host.sleep(_FOLLOW_PAUSE_MS)
            continue
        if where.end and _ends_after(record, where):
            return None
        if wanted.accepts(record):
            printer.show(record)
            shown += 1
    return None


def _ends_after(record: WalRecord, where: Range) -> bool:
    if record.end_lsn <= where.end:
        return False
    return advance(record.lsn, record.total_length, where.segment_size) > where.end


# arguments --------------------------------------------------------------------------------------


def _find_range(
    host: Host,
    path: str | None,
    pgdata: str | None,
    segments: tuple[str, ...],
    timeline: int,
    start: int,
    end: int,
) -> Range:
    if path is not None:
        _verify_directory(host, path)
    if not segments:
        directory, size = find_directory(host, path, pgdata, None)
        if start == 0:
            _usage("no start WAL location given")
        return Range(directory, size, timeline, start, end)
    directory_part, _, name = segments[0].rpartition("/")
    if path is None and directory_part:
        path = directory_part
        _verify_directory(host, path, hint=None)
    directory, size = find_directory(host, path, pgdata, name)
    timeline, number = _parse_segment(name, size)
    if start == 0:
        start = number * size
    elif start // size != number:
        _usage(f'start WAL location {format_lsn(start)} is not inside file "{name}"')
    if len(segments) == 2:
        last_name = segments[1].rpartition("/")[2]
        if host.stat(f"{directory}/{last_name}") is None:
            fail(f'could not open file "{last_name}"')
        _, last = _parse_segment(last_name, size)
        if last < number:
            fail(f"ENDSEG {segments[1]} is before STARTSEG {segments[0]}")
        number = last
    segment_end = (number + 1) * size
    if end == 0:
        end = segment_end
    elif end // size != number and end != segment_end:
        _usage(f'end WAL location {format_lsn(end)} is not inside file "{segments[-1]}"')
    return Range(directory, size, timeline, start, end)


def _parse_segment(name: str, size: int) -> tuple[int, int]:
    if not is_segment_file_name(name):
        fail(f'could not locate WAL file "{name}"')
    return parse_segment_file_name(name, size)


def _verify_directory(host: Host, path: str, hint: str | None = _HINT) -> None:
    try:
        host.list_directory(path)
    except OSError as error:
        fail(f'could not open directory "{path}": {error.strerror}', hint=hint)


def _optional(text: str | None, parse: Callable[[str], _Parsed]) -> _Parsed | None:
    return None if text is None else parse(text)


def _usage(message: str, *, detail: str | None = None) -> NoReturn:
    fail(message, detail=detail, hint=_HINT)


def _parse_lsn(text: str) -> int:
    match = _LSN.match(text)
    if match is None:
        _usage(f'invalid WAL location: "{text}"')
    return int(match[1], 16) << 32 | int(match[2], 16)


def _parse_number(text: str, message: str) -> int:
    if not text.isdecimal() or int(text) > 0xFFFFFFFF:
        _usage(message)
    return int(text)


def _parse_limit(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        _usage(f'invalid value "{text}" for option -n/--limit')


def _parse_xid(text: str) -> int:
    return _parse_number(text, f'invalid transaction ID specification: "{text}"')


def _parse_timeline(text: str) -> int:
    return _parse_number(text, f'invalid timeline specification: "{text}"')


def _parse_block(text: str) -> int:
    return _parse_number(text, f'invalid block number: "{text}"')


def _parse_fork(text: str) -> int:
    try:
        return RelFork[text.upper()] if text.islower() else RelFork[""]
    except KeyError:
        _usage(f'invalid fork name: "{text}"')


def _parse_relation(text: str) -> RelFileLocator:
    match = _RELATION.fullmatch(text)
    if match is None:
        _usage(
            f'invalid relation specification: "{text}"',
            detail='Expecting "tablespace OID/database OID/relation filenode".',
        )
    return RelFileLocator(int(match[1]), int(match[2]), int(match[3]))


def _parse_rmgr(text: str) -> int:
    rmid = rmgr.by_name(text)
    if rmid is None:
        kind = "custom resource manager" if text.startswith("custom") else "resource manager"
        _usage(f'{kind} "{text}" does not exist')
    return rmid
