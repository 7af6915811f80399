"""Many heaps taken apart together, so that each check is a few operations on long arrays.

Most relations of a cluster have a page or two: what costs is not a row but a call. A heap that is
large is a batch by itself, and is read a part at a time; what is kept of it is about a hundred
bytes for each row version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from properties.invariants.catalogs import Layout
from properties.invariants.directory import PAGES_PER_FILE, Directory, RelationFile
from properties.invariants.heap_pages import Items, Tuples, line_pointers, tuple_headers
from properties.invariants.pages import (
    PAGE,
    Headers,
    Ints,
    Pages,
    as_pages,
    headers,
    page_facts,
)
from properties.invariants.report import Findings

PAGES_PER_BATCH: Final = 4096


@dataclass(frozen=True, slots=True)
class Fork:
    """One fork of a relation: its files, in order. `is_logged`: its pages' LSNs mean something."""

    files: tuple[RelationFile, ...]
    is_heap: bool
    is_logged: bool = True
    natts: int = 0
    """Attributes that its rows have at most; 0: not known."""
    frozen_xid: int = 0
    """No xid in it is older; 0: not known."""
    min_multi: int = 0
    layout: Layout = ()
    """Its columns; empty: not known."""

    @property
    def blocks(self) -> int:
        """Whole pages."""
        return sum(file.size // PAGE for file in self.files)

    def path(self, block: int) -> str:
        """The file that a block is in."""
        segment = block // PAGES_PER_FILE
        for file in self.files:
            if file.segment == segment:
                return file.path
        return self.files[0].path


@dataclass(slots=True)
class Part:
    """Some pages in memory, and of which fork and block each is."""

    pages: Pages
    head: Headers
    fork: Ints
    block: Ints
    is_good: npt.NDArray[np.bool_]
    """The page is not new, and nothing is wrong with it by itself."""


@dataclass
class Batch:
    """Heaps taken apart. `fork` and `block` are of each page, by its row among all pages."""

    forks: Sequence[Fork]
    fork: Ints
    block: Ints
    first_page: Ints
    """Of each fork, the row of its first page."""
    flags: Ints
    items: Items
    tuples: Tuples
    findings: Findings

    def complain(self, invariant: str, page: int, number: int | None, message: str) -> None:
        """One more problem, in this row among the pages."""
        block = int(self.block[page])
        path = self.forks[int(self.fork[page])].path(block)
        self.findings.add(invariant, path, message, block, number)

    def complain_of(self, invariant: str, tuples: Ints, say: Callable[[int], str]) -> None:
        """A problem in each of these rows among the tuples."""
        for at in tuples.tolist():
            item = int(self.tuples.item[at])
            number = int(self.items.number[item])
            self.complain(invariant, int(self.items.page[item]), number, say(at))

    @cached_property
    def page_of(self) -> Ints:
        """Of each tuple, the row of its page."""
        return self.items.page[self.tuples.item]

    @cached_property
    def fork_of(self) -> Ints:
        """Of each tuple, its fork."""
        return self.fork[self.page_of]

    @cached_property
    def tuple_of(self) -> Ints:
        """Of each line pointer, its tuple; -1 if it has none."""
        found = np.full(len(self.items.page), -1, dtype=np.int64)
        found[self.tuples.item] = np.arange(len(self.tuples.item))
        return found

    @cached_property
    def first_item(self) -> Ints:
        """Of each page, the row of its first line pointer; and one more at the end."""
        return np.searchsorted(self.items.page, np.arange(len(self.block) + 1))


def parts_of(
    directory: Directory, forks: Sequence[Fork], checksums: bool, findings: Findings
) -> Iterator[Part]:
    """The pages of some forks, a batch at a time, each looked at by itself. A fork that is larger
    than a batch comes in several parts, one after the other.
    """
    gathered: list[bytes] = []
    numbers: list[Ints] = []
    blocks: list[Ints] = []
    waiting = 0

    def part() -> Part:
        pages = as_pages(b"".join(gathered))
        return _look(forks, pages, np.concatenate(numbers), np.concatenate(blocks), checksums,
                     findings)  # fmt: skip

    for number, fork in enumerate(forks):
        for file in fork.files:
            for first, data in _chunks(directory, file):
                count = len(data) // PAGE
                gathered.append(data)
                numbers.append(np.full(count, number, dtype=np.int64))
                start = file.segment * PAGES_PER_FILE + first
                blocks.append(np.arange(start, start + count, dtype=np.int64))
                waiting += count
                if waiting >= PAGES_PER_BATCH:
                    yield part()
                    gathered.clear()
                    numbers.clear()
                    blocks.clear()
                    waiting = 0
    if waiting:
        yield part()


def _chunks(directory: Directory, file: RelationFile) -> Iterator[tuple[int, bytes]]:
    """The whole pages of a file, some at a time, each with the number of the first."""
    if file.size <= PAGES_PER_BATCH * PAGE:
        data = directory.read(file.path) or b""
        whole = len(data) - len(data) % PAGE
        if whole:
            yield 0, data[:whole]
        return
    with directory.open(file.path) as stream:
        first = 0
        while data := stream.read(PAGES_PER_BATCH * PAGE):
            whole = len(data) - len(data) % PAGE
            yield first, data[:whole]
            first += whole // PAGE


def _look(
    forks: Sequence[Fork],
    pages: Pages,
    fork: Ints,
    block: Ints,
    checksums: bool,
    findings: Findings,
) -> Part:
    """PAGE-1 to PAGE-3, for each page."""
    head = headers(pages)
    is_good = ~head.is_new
    facts = page_facts(pages, block, with_checksums=checksums, head=head)
    for at, found in enumerate(facts):
        if found is not None:
            is_good[at] = False
            path = forks[int(fork[at])].path(int(block[at]))
            findings.add(found.invariant, path, found.problem, int(block[at]))
    findings.looked_at["pages"] += len(pages)
    if not checksums:
        findings.skipped["checksums: off in this cluster"] += len(pages)
    return Part(pages, head, fork, block, is_good)


def take_apart(forks: Sequence[Fork], part: Part) -> tuple[Items, Tuples]:
    """The line pointers and tuples of the good pages of heaps."""
    is_heap = np.array([fork.is_heap for fork in forks], dtype=np.bool_)[part.fork]
    rows = np.flatnonzero(part.is_good & is_heap & (part.head.special == PAGE))
    items = line_pointers(part.pages, part.head, rows)
    return items, tuple_headers(part.pages, items)


def join(
    forks: Sequence[Fork],
    parts: Sequence[tuple[Part, Items, Tuples]],
    findings: Findings,
) -> Batch:
    """One batch of parts of the same forks; the pages themselves may be gone."""
    pages = items = 0
    all_items: list[Items] = []
    all_tuples: list[Tuples] = []
    for part, of_items, of_tuples in parts:
        all_items.append(of_items._replace(page=of_items.page + pages))
        all_tuples.append(of_tuples._replace(item=of_tuples.item + items))
        pages += len(part.block)
        items += len(of_items.page)
    fork = np.concatenate([part.fork for part, _, _ in parts])
    return Batch(
        forks,
        fork,
        np.concatenate([part.block for part, _, _ in parts]),
        np.searchsorted(fork, np.arange(len(forks))),
        np.concatenate([part.head.flags for part, _, _ in parts]),
        Items(*map(np.concatenate, zip(*all_items, strict=True))),
        Tuples(*map(np.concatenate, zip(*all_tuples, strict=True))),
        findings,
    )
