"""What may be done to the files of a stopped server.

    { wal = "end", garbage = 100 }              bytes beyond the last record: garbage, zeros, hex
    { wal = "end", room = 16 }                  valid records, until 16 bytes are left on the page
    { wal = "end", record = { ... } }           one record, right but for what is said:
          length = 8000                           xl_tot_len
          prev = "wrong", crc = "wrong"           the back link, the checksum
          present = 24                            only its first bytes are there
          page = { magic = 0, address = "wrong", continues = false, remaining = "wrong" }
                                                  the header of the page on which it goes on
    { file = "base/5/16384", at = 8192, zeros = 8192 }
    { file = "base/5/16384", truncate = 8192 }
    { file = "global/1262", remove = true }

`file` is relative to the data directory. Garbage is the same for the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from chaos.scenario.wal_bytes import MAGIC, PAGE, NextPage, NoEnd, WalBytes

BYTES: Final = ("hex", "zeros", "garbage")
OF_WAL: Final = (*BYTES, "room", "record")
OF_FILE: Final = (*BYTES, "truncate", "remove")
_RECORD: Final = ("length", "prev", "crc", "present", "page")
_PAGE: Final = ("magic", "address", "continues", "remaining")
_SMALLEST_ROOM: Final = 8


class DamageError(ValueError):
    """What is wrong with the description of a damage, or why it cannot be done."""


def check_damage(how: Any) -> dict[str, Any]:
    """The description, if it is one; DamageError."""
    if not isinstance(how, dict):
        raise DamageError("must be a table: { wal = ... } or { file = ... }")
    place = [key for key in ("wal", "file") if key in how]
    if len(place) != 1:
        raise DamageError('must say where: wal = "end", or file = "base/..."')
    allowed = OF_WAL if place == ["wal"] else OF_FILE
    kinds = [key for key in allowed if key in how]
    known = {*place, *kinds, *(["at"] if place == ["file"] else [])}
    unknown = sorted(how.keys() - known)
    if len(kinds) != 1 or unknown:
        also = f"; {', '.join(unknown)}: not known here" if unknown else ""
        raise DamageError(f"must have one of {', '.join(allowed)}{also}")
    if place == ["wal"] and how["wal"] != "end":
        raise DamageError(f'wal = {how["wal"]!r} must be "end"')
    if place == ["file"]:
        _check_file(how)
    _check_kind(kinds[0], how[kinds[0]])
    return dict(how)


def _check_file(how: Mapping[str, Any]) -> None:
    file = how["file"]
    if not isinstance(file, str) or file.startswith("/") or ".." in PurePosixPath(file).parts:
        raise DamageError(f"file = {file!r} must be a path inside the data directory")
    if "at" in how and not _is_count(how["at"]):
        raise DamageError(f"at = {how['at']!r} must be an offset in bytes")


def _check_kind(kind: str, value: Any) -> None:
    if kind == "hex":
        try:
            bytes.fromhex(value)
        except (TypeError, ValueError) as error:
            raise DamageError(f"hex = {value!r} must be bytes in hexadecimal") from error
    elif kind == "remove":
        if value is not True:
            raise DamageError("remove must be true")
    elif kind == "record":
        _check_record(value)
    elif not _is_count(value):
        raise DamageError(f"{kind} = {value!r} must be a number of bytes")
    elif kind == "room" and not (value % 8 == 0 and _SMALLEST_ROOM <= value < PAGE // 2):
        raise DamageError(f"room = {value} must be a multiple of 8, from 8 to {PAGE // 2}")


def _check_record(record: Any) -> None:
    _check_keys("record", record, _RECORD)
    for key in ("length", "present"):
        if key in record and not _is_count(record[key]):
            raise DamageError(f"record.{key} = {record[key]!r} must be a number of bytes")
    for key in ("prev", "crc"):
        _check_right("record", record, key)
    if "length" not in record:
        raise DamageError("record.length is missing")
    page = record.get("page", {})
    _check_keys("record.page", page, _PAGE)
    for key in ("address", "remaining"):
        _check_right("record.page", page, key)
    if not _is_count(page.get("magic", 0)) or not isinstance(page.get("continues", True), bool):
        raise DamageError("record.page: magic must be a number, continues true or false")


def _check_keys(name: str, table: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(table, dict) or table.keys() - set(allowed):
        raise DamageError(f"{name} must be a table with some of {', '.join(allowed)}")


def _check_right(name: str, table: Mapping[str, Any], key: str) -> None:
    if table.get(key, "right") not in ("right", "wrong"):
        raise DamageError(f'{name}.{key} = {table[key]!r} must be "right" or "wrong"')


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# doing it ----------------------------------------------------------------------------------------


def do_damage(how: Mapping[str, Any], data_directory: Path, segment_mb: int, seed: int) -> None:
    """Do what `check_damage` has found to be right; DamageError where the files are not so."""
    try:
        if "wal" in how:
            _damage_wal(how, WalBytes(data_directory, segment_mb << 20), seed)
        else:
            _damage_file(how, data_directory / how["file"], seed)
    except (OSError, NoEnd) as error:
        raise DamageError(str(error)) from error


def _damage_wal(how: Mapping[str, Any], wal: WalBytes, seed: int) -> None:
    if "room" in how:
        wal.leave_room(how["room"])
    elif "record" in how:
        record = how["record"]
        page = record.get("page", {})
        whole = wal.record(
            record["length"],
            prev_off=-8 if record.get("prev") == "wrong" else 0,
            crc_off=1 if record.get("crc") == "wrong" else 0,
        )
        next_page = NextPage(
            magic=page.get("magic", MAGIC),
            address_off=PAGE if page.get("address") == "wrong" else 0,
            continues=page.get("continues", True),
            remaining_off=1 if page.get("remaining") == "wrong" else 0,
        )
        wal.append(whole, next_page, record.get("present", len(whole)))
    else:
        wal.overwrite(_bytes(how, seed))


def _damage_file(how: Mapping[str, Any], path: Path, seed: int) -> None:
    if not path.is_file():
        raise DamageError(f"there is no file {how['file']}")
    if how.get("remove"):
        path.unlink()
        return
    with path.open("r+b") as file:
        if "truncate" in how:
            file.truncate(how["truncate"])
        else:
            file.seek(how.get("at", 0))
            file.write(_bytes(how, seed))


def _bytes(how: Mapping[str, Any], seed: int) -> bytes:
    if "hex" in how:
        return bytes.fromhex(how["hex"])
    if "zeros" in how:
        return bytes(how["zeros"])
    return random.Random(f"{seed} garbage").randbytes(how["garbage"])
