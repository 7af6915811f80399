"""List-append histories: what one read shows of a whole list's past.

A read of a list returns all that was appended to it, oldest first, so each read shows the versions
of the list up to its own, in order. Reads of one list must be prefixes of each other; the longest
then is the order of its versions. While the history is read, only the longest read of each key is
kept, and every other is compared with it and becomes a number, its length.

What was committed and is in no read was appended later than everything that was read: a read that
came later would show it, and none does. So it comes after the longest read, in an order that
nobody knows.

What is found here beside the order: duplicate and phantom elements, incompatible orders, reads of
what was aborted or intermediate, updates on top of what was aborted, transactions that contradict
themselves, lost updates.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from typing import Any

import numpy as np

from properties.isolation.columns import (
    COMMITTED_READS,
    NOTHING,
    STATUS_CODES,
    Bools,
    Columns,
    Ints,
    Observed,
)
from properties.isolation.reading import (
    Ambiguities,
    committed_transactions,
    find_future_reads,
    find_lost_updates,
)
from properties.isolation.transactions import APPEND, OK, READ, Transaction
from properties.isolation.witnesses import Findings

NOBODY = -1
"""The writer of an element that nobody appended."""


class ListHistory:
    """Takes transactions in, one after the other; then says what they show."""

    def __init__(self, findings: Findings) -> None:
        self.columns = Columns()
        self.findings = findings
        self.keys: dict[Hashable, int] = {}
        self.names: list[Hashable] = []
        self.writers: list[dict[Any, int]] = []
        """Of each key: who appended each value."""
        self.longest: list[tuple[Any, ...]] = []
        self.longest_reader: list[int] = []
        self.strays: dict[int, list[tuple[int, tuple[Any, ...]]]] = {}
        """Of each key: reads that are no prefix of the longest."""
        self.intermediate: dict[int, dict[Any, Any]] = {}
        """Of each key: values after which their writer appended another, and that."""
        self.ambiguous = Ambiguities(findings)
        self.read_anything = False
        self.wrote_anything = False
        self._read_transaction = array("i")
        self._read_key = array("i")
        self._read_length = array("i")

    # taking in ----------------------------------------------------------------------------------

    def add(self, transaction: Transaction) -> None:
        """Take one in."""
        row = len(self.columns)
        level = self.columns.add(transaction)
        reads_count = transaction.status == OK and level != NOTHING
        mine: dict[int, list[Any]] = {}
        seen: dict[int, tuple[tuple[Any, ...], int]] = {}
        for f, name, value in transaction.ops:
            key = self.keys.get(name)
            if key is None:
                key = self._new_key(name)
            if f == APPEND:
                self._append(row, key, value, mine)
            elif f == READ:
                if transaction.status == OK:
                    self.read_anything = True
                if reads_count:
                    self._read(row, key, value, level, mine, seen)
            else:
                raise ValueError(f"operation {f!r} is none of a list-append history")

    def _new_key(self, name: Hashable) -> int:
        key = self.keys[name] = len(self.names)
        self.names.append(name)
        self.writers.append({})
        self.longest.append(())
        self.longest_reader.append(NOBODY)
        return key

    def _append(self, row: int, key: int, value: Any, mine: dict[int, list[Any]]) -> None:
        self.wrote_anything = True
        if self.writers[key].setdefault(value, row) != row or value in mine.get(key, ()):
            self.ambiguous.add(key, self.names[key], value)
        before = mine.get(key)
        if before is None:
            mine[key] = [value]
        else:
            self.intermediate.setdefault(key, {})[before[-1]] = value
            before.append(value)

    def _read(
        self,
        row: int,
        key: int,
        value: Any,
        level: int,
        mine: dict[int, list[Any]],
        seen: dict[int, tuple[tuple[Any, ...], int]],
    ) -> None:
        if type(value) is not tuple:
            if value is None:
                value = ()
            elif isinstance(value, list):
                value = tuple(value)
            else:
                self._note("garbage-read", (row,), key=self.names[key], read=value)
                return
        own = mine.get(key)
        before = seen.get(key)
        if own is not None or before is not None:
            length = self._length_outside(row, key, value, level, own, before)
        else:
            length = len(value)
        seen[key] = (value, 0 if own is None else len(own))
        if self._is_in_order(row, key, value) and length is not None:
            self._read_transaction.append(row)
            self._read_key.append(key)
            self._read_length.append(length)

    def _length_outside(
        self,
        row: int,
        key: int,
        value: tuple[Any, ...],
        level: int,
        own: list[Any] | None,
        before: tuple[tuple[Any, ...], int] | None,
    ) -> int | None:
        """How much of a read others had appended; None when the read shows nothing new of that."""
        if before is not None and level > COMMITTED_READS:
            read, count = before
            expected = read if own is None else read + tuple(own[count:])
            if value != expected:
                self._note("internal", (row,), key=self.names[key], expected=expected, read=value)
            return None
        if own is None:
            return len(value)
        suffix = tuple(own)
        if value[-len(suffix) :] == suffix:
            return len(value) - len(suffix)
        if level > COMMITTED_READS or not set(suffix) <= set(value):
            self._note(
                "internal", (row,), key=self.names[key], expected=("...", *suffix), read=value
            )
        return None

    def _is_in_order(self, row: int, key: int, value: tuple[Any, ...]) -> bool:
        """Hold a read against the longest one of its key."""
        longest = self.longest[key]
        if len(value) <= len(longest):
            if longest[: len(value)] == value:
                return True
        elif value[: len(longest)] == longest:
            self.longest[key] = value
            self.longest_reader[key] = row
            return True
        self.strays.setdefault(key, []).append((row, value))
        return False

    def _note(self, anomaly: str, rows: tuple[int, ...], **detail: Any) -> None:
        ids = self.columns._ids
        self.findings.add(anomaly, tuple(ids[row] for row in rows), **detail)

    # saying what they show ----------------------------------------------------------------------

    def observed(self) -> Observed:
        """What all of them show together."""
        columns = self.columns
        columns.freeze()
        self._read_rows: Ints = np.array(self._read_transaction, np.int64)
        self._read_keys: Ints = np.array(self._read_key, np.int64)
        if not len(self._read_rows) and not self.strays:
            reason = "no committed transaction read a list"
            if self.read_anything:
                reason = "no read that counts shows what another transaction appended"
            self.findings.unknown("nothing read", reason)
        elif not self.wrote_anything:
            self.findings.unknown("nothing written", "no transaction appended to a list")
        self._lay_out()
        committed = committed_transactions(
            columns, np.concatenate((self.chain_writer, self._seen_astray()))
        )
        self._find_phantoms()
        self._find_strays(committed)
        self._find_reordered()
        self._find_dirty(committed)
        return self._put_in_order(committed)

    def _lay_out(self) -> None:
        """Number the versions: of each key the initial one, then one for each element."""
        writers: list[int] = []
        start = array("q")
        self.unordered: set[int] = set()
        for key, longest in enumerate(self.longest):
            start.append(len(writers))
            writers.append(NOBODY)
            if longest:
                by_value = self.writers[key]
                writers.extend([by_value.get(value, NOBODY) for value in longest])
                if len(set(longest)) != len(longest):
                    self._find_duplicates(key, self.longest_reader[key], longest)
        start.append(len(writers))
        self.unordered.update(self.ambiguous.keys, self.strays)
        self.start: Ints = np.array(start, np.int64)
        self.chain_writer: Ints = np.array(writers, np.int64)
        counts = np.diff(self.start)
        self.chain_key: Ints = np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    def _find_duplicates(self, key: int, reader: int, read: tuple[Any, ...]) -> None:
        self.unordered.add(key)
        counted: dict[Any, int] = {}
        for value in read:
            counted[value] = counted.get(value, 0) + 1
        twice = {value: count for value, count in counted.items() if count > 1}
        self._note("duplicate-elements", (reader,), key=self.names[key], elements=twice, read=read)

    def _seen_astray(self) -> Ints:
        seen = [
            self.writers[key].get(value, NOBODY)
            for key, reads in self.strays.items()
            for _, read in reads
            for value in read
        ]
        return np.array(seen, np.int64)

    def _find_phantoms(self) -> None:
        self.phantom_keys: set[int] = set()
        is_initial = np.zeros(len(self.chain_writer), bool)
        is_initial[self.start[:-1]] = True
        for version in np.flatnonzero((self.chain_writer == NOBODY) & ~is_initial).tolist():
            key = int(self.chain_key[version])
            self.phantom_keys.add(key)
            self._note(
                "phantom-elements",
                (self.longest_reader[key],),
                key=self.names[key],
                value=self.longest[key][version - int(self.start[key]) - 1],
                read=self.longest[key],
            )

    def _find_strays(self, committed: Bools) -> None:
        """Reads that are no prefix of the longest, and what else is wrong with them."""
        failed = self.columns.statuses == STATUS_CODES["fail"]
        for key, reads in self.strays.items():
            by_value = self.writers[key]
            for row, read in reads:
                self._note(
                    "incompatible-order",
                    (row, self.longest_reader[key]),
                    key=self.names[key],
                    reads=(read, self.longest[key]),
                )
                if len(set(read)) != len(read):
                    self._find_duplicates(key, row, read)
                for value in read:
                    writer = by_value.get(value, NOBODY)
                    if writer == NOBODY:
                        self._note(
                            "phantom-elements", (row,), key=self.names[key], value=value, read=read
                        )
                    elif failed[writer]:
                        self._note(
                            "G1a", (row, writer), key=self.names[key], value=value, read=read
                        )
                if read:
                    self._find_intermediate(row, key, read[-1], read)

    def _find_reordered(self) -> None:
        """Of what one transaction appended to a list a later part is there before an earlier one,
        or without it. No edge between two transactions would show that.
        """
        for key, later in self.intermediate.items():
            longest = self.longest[key]
            if not longest or key in self.ambiguous.keys:
                continue
            places = {value: place for place, value in enumerate(longest)}
            for value, after in later.items():
                if after in places and places.get(value, len(longest)) > places[after]:
                    self._note(
                        "incompatible-order",
                        (self.longest_reader[key], self.writers[key][value]),
                        key=self.names[key],
                        appended=(value, after),
                        read=longest,
                    )

    def _find_intermediate(self, row: int, key: int, value: Any, read: tuple[Any, ...]) -> None:
        later = self.intermediate.get(key, {})
        writer = self.writers[key].get(value, row)
        if value in later and writer != row:
            self._note(
                "G1b",
                (row, writer),
                key=self.names[key],
                value=value,
                later=later[value],
                read=read,
            )

    def _find_dirty(self, committed: Bools) -> None:
        """Reads of what was aborted or intermediate, and commits on top of what was aborted."""
        failed = self.columns.statuses == STATUS_CODES["fail"]
        lengths: Ints = np.array(self._read_length, np.int64)
        self._read_lengths = lengths
        bad = np.flatnonzero((self.chain_writer >= 0) & failed[self.chain_writer])
        if len(bad):
            first: Ints = np.full(len(self.names), np.iinfo(np.int64).max)
            np.minimum.at(first, self.chain_key[bad], bad - self.start[self.chain_key[bad]])
            for read in np.flatnonzero(lengths >= first[self._read_keys]).tolist():
                key, row = int(self._read_keys[read]), int(self._read_rows[read])
                self._note_aborted(key, row, int(first[key]), int(lengths[read]))
            for key in np.unique(self.chain_key[bad]).tolist():
                self._find_dirty_update(key, int(first[key]), committed)
        if self.intermediate:
            flagged = np.zeros(len(self.names), bool)
            flagged[list(self.intermediate)] = True
            for read in np.flatnonzero(flagged[self._read_keys] & (lengths > 0)).tolist():
                key, row = int(self._read_keys[read]), int(self._read_rows[read])
                seen = self.longest[key][: int(lengths[read])]
                self._find_intermediate(row, key, seen[-1], seen)

    def _note_aborted(self, key: int, row: int, place: int, length: int) -> None:
        self._note(
            "G1a",
            (row, int(self.chain_writer[self.start[key] + place])),
            key=self.names[key],
            value=self.longest[key][place - 1],
            read=self.longest[key][:length],
        )

    def _find_dirty_update(self, key: int, place: int, committed: Bools) -> None:
        start = int(self.start[key])
        aborted = int(self.chain_writer[start + place])
        for later in range(place + 1, int(self.start[key + 1]) - start):
            writer = int(self.chain_writer[start + later])
            if writer >= 0 and committed[writer]:
                self._note(
                    "dirty-update",
                    (writer, aborted),
                    key=self.names[key],
                    values=(self.longest[key][place - 1], self.longest[key][later - 1]),
                    read=self.longest[key],
                )
                return

    def _tails(self, committed: Bools) -> dict[int, dict[int, Any]]:
        """Of each key: who committed an append that no read shows, and the last one of each."""
        tails: dict[int, dict[int, Any]] = {}
        for key, by_value in enumerate(self.writers):
            longest = self.longest[key]
            if key in self.unordered:
                continue
            if len(by_value) == len(longest) and key not in self.phantom_keys:
                continue
            shown = set(longest)
            tail = {row: v for v, row in by_value.items() if v not in shown and committed[row]}
            if tail:
                tails[key] = tail
        return tails

    def _put_in_order(self, committed: Bools) -> Observed:
        chain = len(self.chain_writer)
        index = np.arange(chain)
        initial = np.zeros(chain, bool)
        initial[self.start[:-1]] = True
        installed = initial | ((self.chain_writer >= 0) & committed[self.chain_writer])
        # what was aborted, or came from nowhere, is no version: take the last one before it
        last_installed = np.maximum.accumulate(np.where(installed, index, 0))
        ordered_key = np.ones(len(self.names), bool)
        if self.unordered:
            ordered_key[sorted(self.unordered)] = False
        newer = np.flatnonzero(installed & ~initial & ordered_key[self.chain_key])
        older = last_installed[newer - 1]

        tails = self._tails(committed)
        tail_key = [key for key, tail in tails.items() for _ in tail]
        tail_writer = [row for tail in tails.values() for row in tail]
        tail_values = [value for tail in tails.values() for value in tail.values()]
        ends = last_installed[self.start[1:] - 1]
        tail_version = np.arange(chain, chain + len(tail_key))

        start, longest = self.start, self.longest

        def value(version: int) -> Any:
            if version >= chain:
                return tail_values[version - chain]
            key = int(np.searchsorted(start, version, side="right")) - 1
            place = version - int(start[key])
            return longest[key][place - 1] if place else None

        read_version = last_installed[self.start[self._read_keys] + self._read_lengths]
        observed = Observed(
            columns=self.columns,
            committed=committed,
            version_key=np.concatenate((self.chain_key, np.array(tail_key, np.int64))),
            version_writer=np.concatenate(
                (np.where(installed, self.chain_writer, NOBODY), np.array(tail_writer, np.int64))
            ),
            installed=np.concatenate((installed, np.ones(len(tail_key), bool))),
            place=np.concatenate((index, np.full(len(tail_key), chain))),
            read_transaction=self._read_rows,
            read_version=read_version,
            older=np.concatenate((older, ends[np.array(tail_key, np.int64)])),
            newer=np.concatenate((newer, tail_version)),
            certain=np.ones(len(newer) + len(tail_key), bool),
            key_name=self.names.__getitem__,
            value=value,
            loose_keys=np.array([k for k, tail in tails.items() if len(tail) > 1], np.int64),
        )
        find_future_reads(observed, self.findings)
        find_lost_updates(observed, self.findings)
        return observed
