"""Writes TOML: the standard library only reads it. As much of it as a scenario needs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
MULTILINE_FROM: Final = 80


def toml_text(top: Mapping[str, Any]) -> str:
    """Plain values first, then tables, then arrays of tables, each in the order given."""
    plain = {key: value for key, value in top.items() if not _is_table(value)}
    blocks = [_lines(plain)]
    for key, value in top.items():
        if isinstance(value, Mapping):
            blocks.append(f"[{_key(key)}]\n{_lines(value)}")
        elif _is_table(value):
            blocks += [f"[[{_key(key)}]]\n{_lines(table)}" for table in value]
    return "\n".join(block for block in blocks if block)


def _is_table(value: Any) -> bool:
    """A table, or a list of tables (an empty list is plain)."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return f"[{', '.join(map(_value, value))}]"


def _text(text: str) -> str:
    """A basic string; JSON escapes what TOML wants escaped, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
