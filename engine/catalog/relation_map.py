"""pg_filenode.map: the file numbers of the catalogs that cannot be looked up in pg_class, because
pg_class is one of them or because they are shared.

    @0 u32 magic 0x592717, @4 i32 entries, @8 62 x (u32 catalog OID, u32 file number),
    @504 u32 CRC-32C of bytes 0..503, @508 zero; 512 bytes

One map in `global/` for the shared catalogs, one in each database's directory. Nothing rewrites a
catalog yet, so a file number is the catalog's OID and the maps never change after initdb.

Source: PostgreSQL 15, `utils/cache/relmapper.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

import crc32c

from engine.datadir import relation_map_path
from engine.errors import FatalError, SqlState, check
from engine.host.api import Host
from engine.host.whole_file import read_file

MAGIC: Final = 0x592717
MAX_ENTRIES: Final = 62
SIZE: Final = 512
CRC_OFFSET: Final = 504

HEADER: Final = struct.Struct("<Ii")
ENTRY: Final = struct.Struct("<II")
CRC: Final = struct.Struct("<I")


def pack_relation_map(file_numbers: Mapping[int, int]) -> bytes:
    """The content of a map file: catalog OID to file number, in the mapping's order."""
    check(len(file_numbers) <= MAX_ENTRIES, "CAT-2", "too many mapped catalogs")
    packed = bytearray(SIZE)
    HEADER.pack_into(packed, 0, MAGIC, len(file_numbers))
    for number, entry in enumerate(file_numbers.items()):
        ENTRY.pack_into(packed, HEADER.size + number * ENTRY.size, *entry)
    CRC.pack_into(packed, CRC_OFFSET, crc32c.crc32c(bytes(packed[:CRC_OFFSET])))
    return bytes(packed)


def unpack_relation_map(stored: bytes, path: str) -> dict[int, int]:
    """The entries of a map file; FATAL, as PostgreSQL words it, if the file is damaged."""
    if len(stored) < SIZE:
        raise damaged(f'could not read file "{path}": read {len(stored)} of {SIZE}')
    magic, count = HEADER.unpack_from(stored)
    if magic != MAGIC or not 0 <= count <= MAX_ENTRIES:
        raise damaged(f'relation mapping file "{path}" contains invalid data')
    if CRC.unpack_from(stored, CRC_OFFSET)[0] != crc32c.crc32c(stored[:CRC_OFFSET]):
        raise damaged(f'relation mapping file "{path}" contains incorrect checksum')
    end = HEADER.size + count * ENTRY.size
    return dict(ENTRY.iter_unpack(stored[HEADER.size : end]))


def load_relation_map(host: Host, database: int) -> dict[int, int]:
    """Read the map of a database, or with 0 that of the shared catalogs."""
    path = relation_map_path(database)
    try:
        stored = read_file(host, path)
    except OSError as error:
        raise FatalError(
            SqlState.UNDEFINED_FILE, f'could not open file "{path}": {error.strerror}'
        ) from error
    return unpack_relation_map(stored, path)


def damaged(message: str) -> FatalError:
    """A map without which nothing can be found."""
    return FatalError(SqlState.DATA_CORRUPTED, message)
