"""`engine pagedump`: the pages of a relation file as text, made to be compared.

    block 0: lsn 0/15A2B38 checksum 4D1F (ok) flags HAS_FREE_LINES lower 36 upper 8112 special 8192
      1 normal at 8152 length 33: xmin 733 xmax 734 cid 0 ctid (0,3) natts 2 hoff 24
        XMIN_COMMITTED XMAX_COMMITTED HOT_UPDATED  data 0100000013...
      2 redirect to 3
      3 unused

Heap tuples are taken apart; the items of pages with a special space (indexes, sequences) are shown
as bytes; of a visibility map the bits are listed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Final

import click

from engine.access.heap import tuple as heap_tuple
from engine.cli.tool import fail, tool_command
from engine.host.api import Host
from engine.host.real import RealHost
from engine.storage import page as data_page
from engine.storage.checksum import page_checksum
from engine.types import BLOCK_SIZE, BLOCKS_PER_FILE, format_lsn

_CHUNK_BLOCKS: Final = 64
_VM_BYTE: Final = {0: "-", 1: "v", 2: "f", 3: "vf"}
_SEGMENT: Final = re.compile(r"\d+(?P<fork>_[a-z]+)?(\.(?P<segment>\d+))?")

_PAGE_FLAGS: Final = (
    (data_page.PD_HAS_FREE_LINES, "HAS_FREE_LINES"),
    (data_page.PD_PAGE_FULL, "PAGE_FULL"),
    (data_page.PD_ALL_VISIBLE, "ALL_VISIBLE"),
)
_XMAX_FLAGS: Final = (
    (heap_tuple.XMAX_COMMITTED, "XMAX_COMMITTED"),
    (heap_tuple.XMAX_INVALID, "XMAX_INVALID"),
    (heap_tuple.XMAX_IS_MULTI, "XMAX_IS_MULTI"),
    (heap_tuple.XMAX_LOCK_ONLY, "XMAX_LOCK_ONLY"),
    (heap_tuple.XMAX_EXCL_LOCK, "XMAX_EXCL_LOCK"),
    (heap_tuple.XMAX_KEYSHR_LOCK, "XMAX_KEYSHR_LOCK"),
    (heap_tuple.COMBO_CID, "COMBO_CID"),
    (heap_tuple.UPDATED, "UPDATED"),
    (heap_tuple.MOVED_OFF, "MOVED_OFF"),
    (heap_tuple.MOVED_IN, "MOVED_IN"),
    (heap_tuple.HAS_NULL, "HAS_NULL"),
    (heap_tuple.HAS_VARWIDTH, "HAS_VARWIDTH"),
    (heap_tuple.HAS_EXTERNAL, "HAS_EXTERNAL"),
)
_INFOMASK2_FLAGS: Final = (
    (heap_tuple.KEYS_UPDATED, "KEYS_UPDATED"),
    (heap_tuple.HOT_UPDATED, "HOT_UPDATED"),
    (heap_tuple.ONLY_TUPLE, "HEAP_ONLY"),
)


@tool_command()
@click.option("-B", "--block", type=click.IntRange(0), help="Only this block of the file.")
@click.option("--no-data", is_flag=True, help="Leave out the bytes of the items.")
@click.argument("file")
def pagedump(block: int | None, no_data: bool, file: str) -> None:
    """Show the pages of a relation file: headers, line pointers, tuples."""
    match = _SEGMENT.fullmatch(file.rpartition("/")[2])
    segment = int(match["segment"] or 0) if match is not None else 0
    is_map = match is not None and match["fork"] == "_vm"
    for number, page in _read_pages(RealHost("."), file, block):
        fork_block = segment * BLOCKS_PER_FILE + number
        click.echo("\n".join(page_lines(page, fork_block, data=not no_data, is_map=is_map)))


def _read_pages(host: Host, path: str, block: int | None) -> Iterator[tuple[int, bytes]]:
    try:
        fd = host.open(path)
    except OSError as error:
        fail(f'could not open file "{path}": {error.strerror}')
    status = host.stat(path)
    if status is not None and status.is_directory:
        fail(f'could not read file "{path}": Is a directory')
    try:
        size = host.file_size(fd)
        blocks = size // BLOCK_SIZE
        if block is not None and block >= blocks:
            fail(f'file "{path}" has no block {block} (it has {blocks})')
        first = 0 if block is None else block
        last = blocks if block is None else block + 1
        for start in range(first, last, _CHUNK_BLOCKS):
            count = min(_CHUNK_BLOCKS, last - start)
            chunk = host.pread(fd, count * BLOCK_SIZE, start * BLOCK_SIZE)
            for at in range(len(chunk) // BLOCK_SIZE):
                yield start + at, chunk[at * BLOCK_SIZE : (at + 1) * BLOCK_SIZE]
        if block is None and size % BLOCK_SIZE:
            sys.stdout.flush()
            fail(f'file "{path}" ends with {size % BLOCK_SIZE} bytes of a page')
    except OSError as error:
        fail(f'could not read file "{path}": {error.strerror}')
    finally:
        host.close(fd)


def page_lines(page: bytes, block: int, *, data: bool = True, is_map: bool = False) -> list[str]:
    """One page as lines; `block` is its number in the fork (for the checksum)."""
    if data_page.is_new(page):
        return [f"block {block}: new" + ("" if not any(page) else " (but not all zero)")]
    lines = [_header_line(page, block)]
    if not data_page.check_header(page):
        return [*lines, "  invalid page header"]
    if is_map:
        return [*lines, *_map_lines(page)]
    is_heap = data_page.special(page) == BLOCK_SIZE
    for number in range(1, data_page.item_count(page) + 1):
        lines += _item_lines(page, number, is_heap, data)
    if data and not is_heap:
        lines.append(f"  special {page[data_page.special(page) :].hex()}")
    return lines


def _header_line(page: bytes, block: int) -> str:
    stored = data_page.stored_checksum(page)
    expected = page_checksum(page, block)
    verdict = "ok" if stored == expected else "none" if stored == 0 else f"not {expected:04X}"
    flags = _names(data_page.flags(page), _PAGE_FLAGS) or "-"
    prune_xid = data_page.prune_xid(page)
    return (
        f"block {block}: lsn {format_lsn(data_page.page_lsn(page))} "
        f"checksum {stored:04X} ({verdict}) flags {flags} lower {data_page.lower(page)} "
        f"upper {data_page.upper(page)} special {data_page.special(page)}"
        + (f" prune {prune_xid}" if prune_xid else "")
    )


def _item_lines(page: bytes, number: int, is_heap: bool, data: bool) -> list[str]:
    offset, state, length = data_page.line_pointer(page, number)
    if state == data_page.LP_REDIRECT:
        return [f"  {number} redirect to {offset}"]
    name = "dead" if state == data_page.LP_DEAD else "normal"
    if state == data_page.LP_UNUSED:
        return [f"  {number} unused"]
    if length == 0:
        return [f"  {number} {name}"]
    text = f"  {number} {name} at {offset} length {length}"
    if offset + length > BLOCK_SIZE:
        return [f"{text}: outside the page"]
    item = page[offset : offset + length]
    if is_heap and length >= heap_tuple.HEADER_SIZE:
        return _tuple_lines(text, item, data)
    return [f"{text}: {item.hex()}" if data else text]


def _tuple_lines(text: str, item: bytes, data: bool) -> list[str]:
    infomask = heap_tuple.tuple_infomask(item, 0)
    infomask2 = heap_tuple.tuple_infomask2(item, 0)
    hoff = heap_tuple.tuple_hoff(item, 0)
    first = (
        f"{text}: xmin {heap_tuple.tuple_xmin(item, 0)} xmax {heap_tuple.tuple_xmax(item, 0)} "
        f"cid {heap_tuple.tuple_cid(item, 0)} ctid {heap_tuple.tuple_ctid(item, 0)} "
        f"natts {infomask2 & heap_tuple.NATTS_MASK} hoff {hoff}"
    )
    names = [
        _xmin_status(infomask),
        _names(infomask, _XMAX_FLAGS),
        _names(infomask2, _INFOMASK2_FLAGS),
    ]
    second = "    " + (" ".join(filter(None, names)) or "-")
    if data:
        bitmap = item[heap_tuple.HEADER_SIZE : hoff].hex() if infomask & 1 else ""
        second += (f"  nulls {bitmap}" if bitmap else "") + f"  data {item[hoff:].hex()}"
    return [first, second]


def _xmin_status(infomask: int) -> str:
    if infomask & heap_tuple.XMIN_FROZEN == heap_tuple.XMIN_FROZEN:
        return "XMIN_FROZEN"
    if infomask & heap_tuple.XMIN_COMMITTED:
        return "XMIN_COMMITTED"
    return "XMIN_INVALID" if infomask & heap_tuple.XMIN_INVALID else ""


def _names(bits: int, table: tuple[tuple[int, str], ...]) -> str:
    return " ".join(name for bit, name in table if bits & bit)


def _map_lines(page: bytes) -> list[str]:
    """The runs of heap blocks with the same bits: v all visible, f all frozen."""
    lines: list[str] = []
    previous, begin = 0, 0
    for at, byte in enumerate(page[data_page.HEADER_SIZE :] + b"\x00"):
        for shift in (0, 2, 4, 6):
            heap_block = at * 4 + shift // 2
            bits = byte >> shift & 3
            if bits != previous:
                if previous:
                    lines.append(f"  heap blocks {begin}-{heap_block - 1} {_VM_BYTE[previous]}")
                previous, begin = bits, heap_block
    return lines
