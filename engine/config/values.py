"""Settings as text: `128MB`, `on`, `5min`, and back (`parse_int`, guc.c)."""

from __future__ import annotations

import re
from typing import Final

from engine.config.definitions import Setting, SettingValue
from engine.errors import SqlError, SqlState

_TRUE: Final = ("on", "true", "yes", "1", "t", "y", "tr", "tru", "ye")
_FALSE: Final = ("off", "false", "no", "0", "f", "n", "of", "fa", "fal", "fals")
_NUMBER: Final = re.compile(
    r"\s*([+-]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+))\s*(\w*)\s*$"
)

_MEMORY_BYTES: Final = {
    "B": 1,
    "kB": 1024,
    "8kB": 8192,
    "MB": 1 << 20,
    "GB": 1 << 30,
    "TB": 1 << 40,
}
_TIME_US: Final = {
    "us": 1, "ms": 1000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000,
}  # fmt: skip


def parse_setting(setting: Setting, text: str) -> SettingValue:
    """The value that `text` means for the setting, in its unit; 22023 when it means none."""
    if isinstance(setting.default, bool):
        return _parse_bool(setting, text)
    if setting.choices:
        for choice in setting.choices:
            if choice.lower() == text.strip().lower():
                return choice
        if setting.name == "synchronous_commit":
            return "on" if _parse_bool(setting, text) else "off"
        raise _invalid(setting, text, hint="Available values: " + ", ".join(setting.choices) + ".")
    if isinstance(setting.default, (int, float)):
        return _parse_number(setting, text)
    if setting.words:
        _check_words(setting, text)
    return text


def words_of(text: str) -> list[str]:
    """The words of a list, in lower case; none of an empty text."""
    return [word.strip().strip('"').lower() for word in text.split(",")] if text.strip() else []


def format_setting(setting: Setting, value: SettingValue) -> str:
    """The value as SHOW prints it, in the largest unit that divides it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, int) or not setting.unit or value <= 0:
        return f"{value:g}" if isinstance(value, float) else str(value)
    scale = _TIME_US if setting.unit in _TIME_US else _MEMORY_BYTES
    amount = value * scale[setting.unit]
    for unit in sorted(scale, key=scale.__getitem__, reverse=True):
        if unit != "8kB" and amount % scale[unit] == 0:
            return f"{amount // scale[unit]}{unit}"
    return str(value)


def _check_words(setting: Setting, text: str) -> None:
    for word in words_of(text):
        if word not in setting.words:
            wrong = f'Unrecognized key word: "{word}".' if word else "List syntax is invalid."
            raise _invalid(setting, text, detail=wrong)


def _parse_bool(setting: Setting, text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise SqlError(
        SqlState.INVALID_PARAMETER_VALUE, f'parameter "{setting.name}" requires a Boolean value'
    )


def _parse_number(setting: Setting, text: str) -> int | float:
    match = _NUMBER.match(text)
    if match is None:
        raise _invalid(setting, text)
    digits, unit = match.groups()
    number = float(int(digits, 16)) if "x" in digits.lower() else float(digits)
    if unit:
        number = _convert(setting, text, number, unit)
    value: int | float = number if isinstance(setting.default, float) else round(number)
    if not setting.minimum <= value <= setting.maximum:
        shown = f"{value} {setting.unit}".strip()
        limits = " .. ".join(
            f"{limit:g}" if abs(limit) < 1e6 else f"{limit:.0f}"
            for limit in (setting.minimum, setting.maximum)
        )
        raise SqlError(
            SqlState.INVALID_PARAMETER_VALUE,
            f'{shown} is outside the valid range for parameter "{setting.name}" ({limits})',
        )
    return value


def _convert(setting: Setting, text: str, number: float, unit: str) -> float:
    for scale in (_MEMORY_BYTES, _TIME_US):
        if setting.unit in scale:
            if unit in scale and unit != "8kB":
                return number * scale[unit] / scale[setting.unit]
            valid = ", ".join(f'"{name}"' for name in scale if name != "8kB")
            raise _invalid(setting, text, hint=f"Valid units for this parameter are {valid}.")
    raise _invalid(setting, text)


def _invalid(
    setting: Setting, text: str, hint: str | None = None, detail: str | None = None
) -> SqlError:
    return SqlError(
        SqlState.INVALID_PARAMETER_VALUE,
        f'invalid value for parameter "{setting.name}": "{text}"',
        detail=detail,
        hint=hint,
    )
