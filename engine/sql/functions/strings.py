"""String operators and functions: concatenation, LIKE, regular expressions, substrings, padding."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from engine.errors import SqlError, SqlState
from engine.sql import type_table as t
from engine.sql.functions.entries import Function, Operator

_LARGEST_TEXT: Final = 0x3FFFFFFF


def like_pattern(pattern: str, escape: str = "\\") -> str:
    """The Python regular expression of a LIKE pattern; 22025 when it ends with its escape."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == escape and escape:
            at += 1
            if at == len(pattern):
                raise SqlError("22025", "LIKE pattern must not end with escape character")
            parts.append(re.escape(pattern[at]))
        elif character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re.escape(character))
        at += 1
    return "".join(parts)


def like(text: str, pattern: str) -> bool:
    """`textlike`."""
    return re.fullmatch(like_pattern(pattern), text, re.DOTALL) is not None


def case_insensitive_like(text: str, pattern: str) -> bool:
    """`texticlike`."""
    return re.fullmatch(like_pattern(pattern), text, re.DOTALL | re.IGNORECASE) is not None


def like_escape(pattern: str, escape: str) -> str:
    """`like_escape`: the pattern with its escape character made a backslash."""
    if len(escape) > 1:
        raise SqlError(
            "22025", "invalid escape string", hint="Escape string must be empty or one character."
        )
    if escape == "\\":
        return pattern
    result: list[str] = []
    after_escape = False
    for character in pattern:
        if character == escape and not after_escape:
            result.append("\\")
            after_escape = True
            continue
        if character == "\\" and not after_escape:
            result.append("\\")
        result.append(character)
        after_escape = False
    return "".join(result)


def _regex(pattern: str, flags: int = 0) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise SqlError("2201B", f"invalid regular expression: {error.msg}") from None


def _matches(text: str, pattern: str) -> bool:
    return _regex(pattern).search(text) is not None


def _matches_any_case(text: str, pattern: str) -> bool:
    return _regex(pattern, re.IGNORECASE).search(text) is not None


def _not(function: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda text, pattern: not function(text, pattern)


def _pattern_operators() -> list[Operator]:
    rows: list[Operator] = []
    functions: list[tuple[str, Callable[[str, str], bool]]] = [
        ("~~", like),
        ("!~~", _not(like)),
        ("~~*", case_insensitive_like),
        ("!~~*", _not(case_insensitive_like)),
        ("~", _matches),
        ("!~", _not(_matches)),
        ("~*", _matches_any_case),
        ("!~*", _not(_matches_any_case)),
    ]
    for name, function in functions:
        rows += [
            Operator(name, left, t.TEXT, t.BOOL, function) for left in (t.NAME, t.TEXT, t.BPCHAR)
        ]
    rows.append(Operator("^@", t.TEXT, t.TEXT, t.BOOL, str.startswith))
    return rows


def _concatenate(left: str, right: str) -> str:
    return left + right


def substring(text: str, start: int, length: int | None = None) -> str:
    """`substr(text, start, length)`: positions from 1, parts outside the text are cut off."""
    if length is None:
        return text[max(start - 1, 0) :]
    if length < 0:
        raise SqlError("22011", "negative substring length not allowed")
    return text[max(start - 1, 0) : max(start - 1 + length, 0)]


def _pad(text: str, length: int, fill: str, *, left: bool) -> str:
    length = max(length, 0)
    if len(text) >= length or not fill:
        return text[:length]
    _check_size(length)
    missing = length - len(text)
    padding = (fill * (missing // len(fill) + 1))[:missing]
    return padding + text if left else text + padding


def _check_size(length: int) -> None:
    if length > _LARGEST_TEXT:
        raise SqlError(SqlState.PROGRAM_LIMIT_EXCEEDED, "requested length too large")


def _repeat(text: str, times: int) -> str:
    _check_size(len(text) * max(times, 0))
    return text * max(times, 0)


def _left(text: str, count: int) -> str:
    return text[:count]


def _right(text: str, count: int) -> str:
    if count >= 0:
        return text[len(text) - count :] if count < len(text) else text
    return text[-count:]


def _split_part(text: str, delimiter: str, field: int) -> str:
    if field == 0:
        raise SqlError(SqlState.INVALID_PARAMETER_VALUE, "field position must not be zero")
    parts = text.split(delimiter) if delimiter else [text]
    index = field - 1 if field > 0 else len(parts) + field
    return parts[index] if 0 <= index < len(parts) else ""


def _translate(text: str, source: str, target: str) -> str:
    mapping: dict[int, str | None] = {}
    for index, character in enumerate(source):
        mapping.setdefault(ord(character), target[index] if index < len(target) else None)
    return text.translate(mapping)


def _chr(code: int) -> str:
    if code == 0:
        raise SqlError(SqlState.PROGRAM_LIMIT_EXCEEDED, "null character not permitted")
    if code < 0:
        raise SqlError(SqlState.PROGRAM_LIMIT_EXCEEDED, "character number must be positive")
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise SqlError(
            SqlState.PROGRAM_LIMIT_EXCEEDED, f"requested character too large for encoding: {code}"
        )
    return chr(code)


def _initcap(text: str) -> str:
    return re.sub(
        r"[^\W_]+", lambda match: match.group()[0].upper() + match.group()[1:].lower(), text
    )


def _replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def _strip(side: str) -> Callable[..., str]:
    def strip(text: str, characters: str = " ") -> str:
        if side == "left":
            return text.lstrip(characters) if characters else text
        if side == "right":
            return text.rstrip(characters) if characters else text
        return text.strip(characters) if characters else text

    return strip


def quote_literal(text: str) -> str:
    """`quote_literal`."""
    quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'"
    return "E" + quoted if "\\" in text else quoted


def quote_identifier(name: str) -> str:
    """`quote_ident`, without the list of reserved words."""
    if re.fullmatch(r"[a-z_][a-z0-9_$]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _to_hex(bits: int) -> Callable[[int], str]:
    return lambda value: format(value % (1 << bits), "x")


def _length(value: Any) -> int:
    return len(value)


def _padded_length(value: str) -> int:
    return len(value.rstrip(" "))


def _bytes_length(value: str) -> int:
    return len(value.encode())


_trim: Final = _strip("both")
_trim_left: Final = _strip("left")
_trim_right: Final = _strip("right")

_TT: Final = (t.TEXT, t.TEXT)
_TI: Final = (t.TEXT, t.INT4)

FUNCTIONS: Final = (
    Function(1317, "length", (t.TEXT,), t.INT4, _length),
    Function(1318, "length", (t.BPCHAR,), t.INT4, _padded_length),
    Function(2010, "length", (t.BYTEA,), t.INT4, _length),
    Function(1381, "char_length", (t.TEXT,), t.INT4, _length),
    Function(1372, "char_length", (t.BPCHAR,), t.INT4, _padded_length),
    Function(1369, "character_length", (t.TEXT,), t.INT4, _length),
    Function(1367, "character_length", (t.BPCHAR,), t.INT4, _padded_length),
    Function(1374, "octet_length", (t.TEXT,), t.INT4, _bytes_length),
    Function(1375, "octet_length", (t.BPCHAR,), t.INT4, _bytes_length),
    Function(720, "octet_length", (t.BYTEA,), t.INT4, _length),
    Function(870, "lower", (t.TEXT,), t.TEXT, str.lower),
    Function(871, "upper", (t.TEXT,), t.TEXT, str.upper),
    Function(872, "initcap", (t.TEXT,), t.TEXT, _initcap),
    Function(883, "substr", _TI, t.TEXT, substring),
    Function(877, "substr", (*_TI, t.INT4), t.TEXT, substring),
    Function(937, "substring", _TI, t.TEXT, substring),
    Function(936, "substring", (*_TI, t.INT4), t.TEXT, substring),
    Function(3060, "left", _TI, t.TEXT, _left),
    Function(3061, "right", _TI, t.TEXT, _right),
    Function(2087, "replace", (*_TT, t.TEXT), t.TEXT, _replace),
    Function(1622, "repeat", _TI, t.TEXT, _repeat),
    Function(868, "strpos", _TT, t.INT4, lambda text, part: text.find(part) + 1),
    Function(849, "position", _TT, t.INT4, lambda text, part: text.find(part) + 1),
    Function(885, "btrim", (t.TEXT,), t.TEXT, _trim),
    Function(884, "btrim", _TT, t.TEXT, _trim),
    Function(881, "ltrim", (t.TEXT,), t.TEXT, _trim_left),
    Function(875, "ltrim", _TT, t.TEXT, _trim_left),
    Function(882, "rtrim", (t.TEXT,), t.TEXT, _trim_right),
    Function(876, "rtrim", _TT, t.TEXT, _trim_right),
    Function(879, "lpad", _TI, t.TEXT, lambda text, n: _pad(text, n, " ", left=True)),
    Function(873, "lpad", (*_TI, t.TEXT), t.TEXT, lambda a, n, b: _pad(a, n, b, left=True)),
    Function(880, "rpad", _TI, t.TEXT, lambda text, n: _pad(text, n, " ", left=False)),
    Function(874, "rpad", (*_TI, t.TEXT), t.TEXT, lambda a, n, b: _pad(a, n, b, left=False)),
    Function(3062, "reverse", (t.TEXT,), t.TEXT, lambda text: text[::-1]),
    Function(2088, "split_part", (*_TT, t.INT4), t.TEXT, _split_part),
    Function(878, "translate", (*_TT, t.TEXT), t.TEXT, _translate),
    Function(3696, "starts_with", _TT, t.BOOL, str.startswith),
    Function(1620, "ascii", (t.TEXT,), t.INT4, lambda text: ord(text[0]) if text else 0),
    Function(1621, "chr", (t.INT4,), t.TEXT, _chr),
    Function(2311, "md5", (t.TEXT,), t.TEXT, lambda text: hashlib.md5(text.encode()).hexdigest()),
    Function(2089, "to_hex", (t.INT4,), t.TEXT, _to_hex(32)),
    Function(2090, "to_hex", (t.INT8,), t.TEXT, _to_hex(64)),
    Function(1282, "quote_ident", (t.TEXT,), t.TEXT, quote_identifier),
    Function(1283, "quote_literal", (t.TEXT,), t.TEXT, quote_literal),
    Function(1637, "like_escape", _TT, t.TEXT, like_escape),
    Function(1569, "like", _TT, t.BOOL, like),
    Function(1570, "notlike", _TT, t.BOOL, _not(like)),
)

OPERATORS: Final = (
    *_pattern_operators(),
    Operator("||", t.TEXT, t.TEXT, t.TEXT, _concatenate),
    # The analyzer makes the text of the other side (`operators.py`).
    Operator("||", t.TEXT, t.ANYELEMENT, t.TEXT, _concatenate),
    Operator("||", t.ANYELEMENT, t.TEXT, t.TEXT, _concatenate),
    Operator("||", t.BYTEA, t.BYTEA, t.BYTEA, lambda left, right: left + right),
)
