"""Read-write-register histories: a read shows one version, and little of its order.

Each value is written once to a key, so a read says whose write it saw. The order of a key's
versions must be inferred, and only this is certain:

    - the initial version is the oldest
    - a transaction that read a version and then wrote the key made a later one (writes follow
      reads). Were it an older one, the transaction would be before the writer it has read from: a
      G1c. So this is taken for granted where reads of committed data matter, but no ww edge is
      made of it, since read uncommitted does not promise it; the wr edge beside it joins the same
      two transactions

What is left open is a *loose* key. `checking.py` says how a verdict is come to nevertheless.
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
from properties.isolation.transactions import OK, READ, WRITE, Transaction
from properties.isolation.witnesses import Findings

INITIAL = -1
UNWRITTEN = -2
"""The writer of a value that nobody wrote."""


class RegisterHistory:
    """Takes transactions in, one after the other; then says what they show."""

    def __init__(self, findings: Findings) -> None:
        self.columns = Columns()
        self.findings = findings
        self.keys: dict[Hashable, int] = {}
        self.names: list[Hashable] = []
        self.versions: list[dict[Any, int]] = []
        """Of each key: the version of each value."""
        self.values: list[Any] = []
        self.later: dict[int, int] = {}
        """Of versions that their own writer overwrote: the one that he wrote then."""
        self.ambiguous = Ambiguities(findings)
        self.read_anything = False
        self.wrote_anything = False
        self._key = array("i")
        self._writer = array("i")
        self._read_transaction = array("i")
        self._read_version = array("i")
        self._base = array("i")
        self._follower = array("i")

    # taking in ----------------------------------------------------------------------------------

    def add(self, transaction: Transaction) -> None:
        """Take one in."""
        row = len(self.columns)
        level = self.columns.add(transaction)
        reads_count = transaction.status == OK and level != NOTHING
        current: dict[int, int] = {}
        wrote: dict[int, int] = {}
        bases: dict[int, int] = {}
        for f, name, value in transaction.ops:
            key = self.keys.get(name)
            if key is None:
                key = self._new_key(name)
            if f == WRITE:
                self._write(row, key, value, current, wrote, bases)
            elif f == READ:
                if transaction.status == OK:
                    self.read_anything = True
                if reads_count:
                    self._read(row, key, value, level, current, wrote)
            else:
                raise ValueError(f"operation {f!r} is none of a rw-register history")
        for key, base in bases.items():
            self._base.append(base)
            self._follower.append(wrote[key])

    def _new_key(self, name: Hashable) -> int:
        key = self.keys[name] = len(self.names)
        self.names.append(name)
        self.versions.append({})
        self._version(key, None, INITIAL)
        return key

    def _version(self, key: int, value: Any, writer: int = UNWRITTEN) -> int:
        known = self.versions[key]
        version = known.get(value)
        if version is None:
            version = known[value] = len(self.values)
            self.values.append(value)
            self._key.append(key)
            self._writer.append(writer)
        return version

    def _write(
        self,
        row: int,
        key: int,
        value: Any,
        current: dict[int, int],
        wrote: dict[int, int],
        bases: dict[int, int],
    ) -> None:
        self.wrote_anything = True
        version = self._version(key, value)
        if self._writer[version] != UNWRITTEN:
            self.ambiguous.add(key, self.names[key], value)
        else:
            self._writer[version] = row
        if key in wrote:
            self.later[wrote[key]] = version
        elif key in current:
            bases[key] = current[key]
        current[key] = wrote[key] = version

    def _read(
        self,
        row: int,
        key: int,
        value: Any,
        level: int,
        current: dict[int, int],
        wrote: dict[int, int],
    ) -> None:
        version = self._version(key, value)
        known = current.get(key)
        if known == version:
            return
        if known is not None and (level > COMMITTED_READS or key in wrote):
            self.findings.add(
                "internal",
                (self.columns._ids[row],),
                key=self.names[key],
                expected=self.values[known],
                read=value,
            )
            return
        current[key] = version
        self._read_transaction.append(row)
        self._read_version.append(version)

    # saying what they show ----------------------------------------------------------------------

    def observed(self) -> Observed:
        """What all of them show together."""
        columns = self.columns
        columns.freeze()
        self.version_key: Ints = np.array(self._key, np.int64)
        self.version_writer: Ints = np.array(self._writer, np.int64)
        self.read_row: Ints = np.array(self._read_transaction, np.int64)
        self.read_version: Ints = np.array(self._read_version, np.int64)
        if not len(self.read_row):
            reason = "no committed transaction read a register"
            if self.read_anything:
                reason = "no read that counts shows what another transaction wrote"
            self.findings.unknown("nothing read", reason)
        elif not self.wrote_anything:
            self.findings.unknown("nothing written", "no transaction wrote a register")
        self._leave_out_ambiguous()
        committed = committed_transactions(columns, self.version_writer[self.read_version])
        self._judge_reads()
        return self._put_in_order(committed)

    def _leave_out_ambiguous(self) -> None:
        base: Ints = np.array(self._base, np.int64)
        follower: Ints = np.array(self._follower, np.int64)
        self.clear_key = np.ones(len(self.names), bool)
        self.clear_key[sorted(self.ambiguous.keys)] = False
        clear = self.clear_key[self.version_key[self.read_version]]
        self.read_row, self.read_version = self.read_row[clear], self.read_version[clear]
        clear = self.clear_key[self.version_key[base]]
        self.base, self.follower = base[clear], follower[clear]

    def _judge_reads(self) -> None:
        """Reads of what nobody wrote, of what was aborted, and of what was intermediate."""
        writer = self.version_writer[self.read_version]
        failed = self.columns.statuses == STATUS_CODES["fail"]
        aborted = (writer >= 0) & failed[writer]
        overwritten = np.zeros(len(self.values), bool)
        overwritten[list(self.later)] = True
        intermediate = overwritten[self.read_version] & (writer != self.read_row) & ~aborted
        for anomaly, chosen in (
            ("garbage-read", writer == UNWRITTEN),
            ("G1a", aborted),
            ("G1b", intermediate),
        ):
            for read in np.flatnonzero(chosen).tolist():
                version = int(self.read_version[read])
                who = [int(self.read_row[read])]
                detail = {"value": self.values[version]}
                if anomaly != "garbage-read":
                    who.append(int(writer[read]))
                if anomaly == "G1b":
                    detail["later"] = self.values[self.later[version]]
                self._note(anomaly, who, version, **detail)

    def _note(self, anomaly: str, rows: list[int], version: int, **detail: Any) -> None:
        ids = tuple(self.columns.ids[rows].tolist())
        name = self.names[int(self.version_key[version])]
        self.findings.add(anomaly, ids, key=name, **detail)

    def _put_in_order(self, committed: Bools) -> Observed:
        writer = self.version_writer
        final = np.ones(len(self.values), bool)
        final[list(self.later)] = False
        initial = writer == INITIAL
        made = (writer >= 0) & final & committed[writer]
        installed = (initial | made) & self.clear_key[self.version_key]
        older, newer = self._follow_reads(installed, committed)
        rooted = np.zeros(len(writer), bool)
        rooted[newer] = True
        cyclic = np.zeros(len(self.names), bool)
        cyclic[self.cyclic_keys] = True
        roots = np.flatnonzero(installed & ~initial & ~rooted & ~cyclic[self.version_key])
        first: Ints = np.flatnonzero(initial)
        older = np.concatenate((older, first[self.version_key[roots]]))
        newer = np.concatenate((newer, roots))
        several = np.bincount(older, minlength=len(writer)) > 1
        loose = np.unique(self.version_key[several])
        observed = Observed(
            columns=self.columns,
            committed=committed,
            version_key=self.version_key,
            version_writer=np.where((writer >= 0) & committed[writer], writer, -1),
            installed=installed,
            place=np.zeros(len(writer), np.int64),
            read_transaction=self.read_row,
            read_version=self.read_version,
            older=older,
            newer=newer,
            certain=np.zeros(len(older), bool),
            key_name=self.names.__getitem__,
            value=self.values.__getitem__,
            loose_keys=np.union1d(loose, np.array(self.cyclic_keys, np.int64)),
        )
        find_future_reads(observed, self.findings)
        find_lost_updates(observed, self.findings)
        return observed

    def _follow_reads(self, installed: Bools, committed: Bools) -> tuple[Ints, Ints]:
        """Pairs of versions, the older read and the newer written by one transaction."""
        failed = self.columns.statuses == STATUS_CODES["fail"]
        writer = self.version_writer
        base_writer, made_by = writer[self.base], writer[self.follower]
        dirty = (base_writer >= 0) & failed[base_writer] & committed[made_by]
        for pair in np.flatnonzero(dirty).tolist():
            base, follower = int(self.base[pair]), int(self.follower[pair])
            self._note(
                "dirty-update",
                [int(made_by[pair]), int(base_writer[pair])],
                base,
                values=(self.values[base], self.values[follower]),
            )
        both = installed[self.base] & installed[self.follower] & (self.base != self.follower)
        older, newer = self.base[both], self.follower[both]
        self.cyclic_keys = self._find_cyclic_versions(older, newer)
        if self.cyclic_keys:
            sound = ~np.isin(self.version_key[older], self.cyclic_keys)
            older, newer = older[sound], newer[sound]
        return older, newer

    def _find_cyclic_versions(self, older: Ints, newer: Ints) -> list[int]:
        """Keys with versions that come before themselves. Each has one before it at most."""
        end = len(self.values)
        before: Ints = np.full(end + 1, end)
        before[newer] = older
        reached = before
        for _ in range(end.bit_length()):
            reached = reached[reached]
        keys: list[int] = []
        for version in np.flatnonzero(reached != end).tolist():
            key = int(self.version_key[version])
            if key in keys:
                continue
            cycle = [version]
            while int(before[cycle[-1]]) not in cycle:
                cycle.append(int(before[cycle[-1]]))
            cycle = cycle[cycle.index(int(before[cycle[-1]])) :][::-1]
            keys.append(key)
            self._note(
                "cyclic-versions",
                [int(self.version_writer[v]) for v in cycle],
                cycle[0],
                versions=[self.values[v] for v in cycle],
            )
        return keys
