"""global/pg_control: where everything else is to be looked for.

Source: PostgreSQL 15, `catalog/pg_control.h`, `access/transam/xlog.c` (ReadControlFile).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from crc32c import crc32c

from properties.invariants.directory import CannotCheck, Directory
from properties.invariants.report import Findings

PATH: Final = "global/pg_control"
SIZE: Final = 8192
CRC_OFFSET: Final = 288
VERSION: Final = 1300
CATALOG_VERSION: Final = 202209061
SHUT_DOWN: Final = 1
CHECKPOINT_OFFSET: Final = 40
CHECKPOINT_SIZE: Final = 88
STATES: Final = (
    "starting up",
    "shut down",
    "shut down in recovery",
    "shutting down",
    "in crash recovery",
    "in archive recovery",
    "in production",
)
_HEAD: Final = struct.Struct("<QIIIxxxxqQ")
_CHECKPOINT: Final = struct.Struct("<QII?7xQIIIIIII4xqIII4x")
_FIRST_NORMAL: Final = 3


@dataclass(frozen=True, slots=True)
class Control:
    """What the other checks need of pg_control. Xids are as in the rows, of 32 bits."""

    system_identifier: int
    state: int
    checkpoint: int
    redo: int
    timeline: int
    next_full_xid: int
    next_multi: int
    oldest_xid: int
    oldest_multi: int
    segment_size: int
    checksums: bool
    checkpoint_body: bytes

    @property
    def next_xid(self) -> int:
        """The next xid, without its epoch."""
        return self.next_full_xid & 0xFFFFFFFF

    @property
    def is_shut_down(self) -> bool:
        """Whether the server stopped in order; "shut down in recovery" is a standby's."""
        return self.state == SHUT_DOWN

    @property
    def state_name(self) -> str:
        """The state in words."""
        return STATES[self.state] if self.state < len(STATES) else f"unknown ({self.state})"


def read_control(directory: Directory, findings: Findings) -> Control | None:
    """pg_control, and what is wrong with it; None if nothing can be believed of it."""
    data = directory.read(PATH)
    if data is None:
        raise CannotCheck(f'there is no "{PATH}": initdb did not end here')
    findings.looked_at["files"] += 1
    if len(data) != SIZE:
        findings.add("CONTROL-1", PATH, f"it has {len(data)} bytes, not {SIZE}")
        return None
    stored = int.from_bytes(data[CRC_OFFSET : CRC_OFFSET + 4], "little")
    if (crc := crc32c(data[:CRC_OFFSET])) != stored:
        findings.add("CONTROL-1", PATH, f"its CRC is {stored:08X}, that of its content {crc:08X}")
        return None
    system, version, catalog, state, _, checkpoint = _HEAD.unpack_from(data)
    fields = _CHECKPOINT.unpack_from(data, CHECKPOINT_OFFSET)
    redo, timeline, _, _, next_full_xid, _, next_multi, _, oldest_xid, _, oldest_multi, *_ = fields
    (segment_size,) = struct.unpack_from("<I", data, 228)
    (checksums,) = struct.unpack_from("<I", data, 252)
    if (version, catalog) != (VERSION, CATALOG_VERSION):
        raise CannotCheck(
            f"pg_control has the version {version} and the catalog version {catalog}, "
            f"not {VERSION} and {CATALOG_VERSION}"
        )
    control = Control(
        system,
        state,
        checkpoint,
        redo,
        timeline,
        next_full_xid,
        next_multi,
        oldest_xid,
        oldest_multi,
        segment_size,
        bool(checksums),
        data[CHECKPOINT_OFFSET : CHECKPOINT_OFFSET + CHECKPOINT_SIZE],
    )
    _check_values(control, findings)
    return control


def _check_values(control: Control, findings: Findings) -> None:
    """CONTROL-2, CONTROL-3: values that go together."""
    size = control.segment_size
    if size & (size - 1) or not 1 << 20 <= size <= 1 << 30:
        raise CannotCheck(f"pg_control has {size} as the size of WAL segments")
    if control.state >= len(STATES):
        findings.add("CONTROL-2", PATH, f"its state is {control.state}")
    if control.redo > control.checkpoint:
        findings.add(
            "CONTROL-2",
            PATH,
            f"its redo point {lsn(control.redo)} is after the checkpoint {lsn(control.checkpoint)}",
        )
    if control.is_shut_down and control.redo != control.checkpoint:
        findings.add("CONTROL-2", PATH, "it is shut down, and redo is not where the checkpoint is")
    if control.next_xid < _FIRST_NORMAL or control.oldest_xid < _FIRST_NORMAL:
        findings.add(
            "CONTROL-3", PATH, f"next xid {control.next_xid}, oldest xid {control.oldest_xid}"
        )
    elif precedes(control.next_xid, control.oldest_xid):
        findings.add(
            "CONTROL-3",
            PATH,
            f"its next xid {control.next_xid} is before its oldest, {control.oldest_xid}",
        )


def lsn(position: int) -> str:
    """A position in the WAL as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def precedes(first: int, second: int) -> bool:
    """Whether an xid of 32 bits is older than another: half of the circle is past."""
    return (first - second) & 0x80000000 != 0
