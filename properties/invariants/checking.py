"""A whole data directory: which checks are made, and in which order.

Of a cluster that was not shut down in order only those are made that hold of it nevertheless: its
pg_control, its WAL, the sizes of its small files. Its pages may be torn, or older than their WAL:
that is what the recovery is for, and the report says that they were not looked at.

PAGE-4  No page has an LSN beyond the end of the WAL.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from properties.invariants.chains import check_chains
from properties.invariants.clog import CommitLog
from properties.invariants.control import Control, lsn, read_control
from properties.invariants.directory import CannotCheck, Directory, open_directory
from properties.invariants.files import check_databases, check_leftovers, check_slrus
from properties.invariants.heap_batch import (
    PAGES_PER_BATCH,
    Batch,
    Fork,
    Part,
    join,
    parts_of,
    take_apart,
)
from properties.invariants.heap_pages import Items, Tuples, check_items, check_redirects
from properties.invariants.maps import bits_of, check_free_space, check_visibility
from properties.invariants.pages import Ints, as_pages
from properties.invariants.relations import (
    check_files,
    forks_by_key,
    forks_to_check,
    read_catalog,
)
from properties.invariants.report import Findings, Report
from properties.invariants.tuples import NATTS, check_headers
from properties.invariants.values import check_values
from properties.invariants.wal import check_wal
from properties.invariants.xids import Fates, check_xids, fates


def check_directory(path: str | Path, *, is_stopped: bool = False) -> Report:
    """Check the files of a cluster that is not running. CannotCheck if there is no such cluster, a
    server runs on it, or a file cannot be read. Who knows that there is one, and that it was
    stopped, says `is_stopped`, and is told even that by the report.
    """
    findings = Findings()
    try:
        _check(open_directory(path, is_stopped=is_stopped), findings)
    except CannotCheck as error:
        if not is_stopped:
            raise
        findings.unchecked.append(str(error))
    return findings.report()


def _check(directory: Directory, findings: Findings) -> None:
    control = read_control(directory, findings)
    if control is None:
        findings.unchecked.append("everything else: pg_control says where it is")
        return
    end = check_wal(directory, control, findings)
    check_slrus(directory, findings)
    check_databases(directory, findings)
    if not control.is_shut_down:
        findings.unchecked.append(
            f"relations, rows and the commit log: the cluster is not shut down but "
            f'"{control.state_name}"; start it and stop it first'
        )
        return
    check_leftovers(directory, findings)
    log = CommitLog(directory)
    log.check(control, findings)
    by_key = forks_by_key(directory.relation_files())
    catalog = read_catalog(directory, by_key, log, control, findings)
    check_files(by_key, catalog, findings)
    forks = forks_to_check(by_key, catalog, findings)
    for group in _groups(forks):
        _check_group(directory, group, control, log, end, findings)


def _groups(forks: list[Fork]) -> Iterator[list[Fork]]:
    """Forks that are looked at together: many small ones, or a large one and its maps."""
    group: list[Fork] = []
    pages = 0
    for fork in forks:
        # A heap comes right before its maps, in the order of their keys: fsm, init, main, vm.
        if pages + fork.blocks > PAGES_PER_BATCH and group and fork.files[0].fork != "vm":
            yield group
            group, pages = [], 0
        group.append(fork)
        pages += fork.blocks
    if group:
        yield group


def _check_group(
    directory: Directory,
    forks: list[Fork],
    control: Control,
    log: CommitLog,
    end: int | None,
    findings: Findings,
) -> None:
    kept: list[tuple[Part, Items, Tuples]] = []
    maps: dict[int, list[Ints]] = {}
    for part in parts_of(directory, forks, control.checksums, findings):
        _check_lsns(forks, part, end, findings)
        _check_space(forks, part, findings)
        _gather_maps(forks, part, maps)
        items, tuples = take_apart(forks, part)

        def complain(
            invariant: str, row: int, number: int | None, said: str, part: Part = part
        ) -> None:
            block = int(part.block[row])
            path = forks[int(part.fork[row])].path(block)
            findings.add(invariant, path, said, block, number)

        check_items(part.head, items, tuples, complain)
        check_redirects(items, tuples, complain)
        check_headers(items, tuples, complain)
        check_values(forks, part, items, tuples, complain, findings)
        findings.looked_at["line pointers"] += len(items.page)
        findings.looked_at["row versions"] += len(tuples.item)
        part.pages = as_pages(b"")
        kept.append((part, items, tuples))
    if not kept:
        return
    batch = join(forks, kept, findings)
    fate = fates(batch, log)
    if len(batch.tuples.item):
        _check_batch(batch, fate, control)
    check_visibility(batch, fate, {fork: np.concatenate(bits) for fork, bits in maps.items()})


def _check_batch(batch: Batch, fate: Fates, control: Control) -> None:
    natts = np.array([fork.natts for fork in batch.forks], dtype=np.int64)[batch.fork_of]
    have = batch.tuples.infomask2 & NATTS
    batch.complain_of(
        "TUPLE-2",
        np.flatnonzero((natts > 0) & (have > natts)),
        lambda at: f"it has {have[at]} attributes, and its relation {natts[at]}",
    )
    check_xids(batch, fate, control)
    check_chains(batch, fate)


def _check_lsns(forks: list[Fork], part: Part, end: int | None, findings: Findings) -> None:
    """PAGE-4. What is not logged has LSNs of its own."""
    if end is None:
        return
    is_logged = np.array([fork.is_logged for fork in forks], dtype=np.bool_)[part.fork]
    beyond = part.is_good & is_logged & (part.head.lsn > np.uint64(end))
    for at in np.flatnonzero(beyond).tolist():
        block = int(part.block[at])
        said = f"its LSN {lsn(int(part.head.lsn[at]))} is beyond the end of the WAL, {lsn(end)}"
        findings.add("PAGE-4", forks[int(part.fork[at])].path(block), said, block)


def _check_space(forks: list[Fork], part: Part, findings: Findings) -> None:
    is_space = np.array([fork.files[0].fork == "fsm" for fork in forks], dtype=np.bool_)
    rows = np.flatnonzero(part.is_good & is_space[part.fork])
    if len(rows):
        findings.looked_at["free space map pages"] += len(rows)
        paths = [forks[int(part.fork[at])].path(int(part.block[at])) for at in rows.tolist()]
        check_free_space(part, rows, paths, findings)


def _gather_maps(forks: list[Fork], part: Part, maps: dict[int, list[Ints]]) -> None:
    """The bits of each heap, by the heap's place in the group; a new or bad page has none set."""
    for number, fork in enumerate(forks):
        if fork.files[0].fork != "vm":
            continue
        rows = np.flatnonzero(part.fork == number)
        heap = next(
            (
                at
                for at, other in enumerate(forks)
                if other.is_heap and f"{other.files[0].path}_vm" == fork.files[0].path
            ),
            None,
        )
        if heap is not None and len(rows):
            pages = part.pages[rows].copy()
            pages[~part.is_good[rows], 24:] = 0
            maps.setdefault(heap, []).append(bits_of(pages))
