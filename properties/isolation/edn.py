"""Reads the EDN that histories are written in, and writes it.

EDN is what Clojure programs leave: Jepsen writes its histories in it, one map per operation. A
history of a million operations has to be read faster than it is checked, and the readers of EDN
that there are for Python take about a millisecond a line and are not kept up; so there is a reader
here, of as much as histories use:

- maps, vectors, lists, sets, strings, characters, keywords, symbols, numbers, nil, true, false;
- tagged values (`#jepsen.history.Op{...}`, `#inst "..."`): the value, without its tag;
- comments (`;`), and forms that are left out (`#_`).

What becomes of it: a vector, list or set is a list, in the order in which it was written; a keyword
is a str that keeps its colon, so that it is told from a string; but as the key of a map it loses
it, so that a map has the same keys as the JSON of the same map.

Two ways. Nearly every line of a history is a map without anything unusual in it. Such lines are
turned into JSON by replacing a dozen words, and the C reader of JSON does the rest; if that is not
JSON, or there is a string in it, a line was not so usual and the other way is taken: token by
token, with a stack, over as many lines as it takes. The fast way never reads a line otherwise
than the slow one would: without strings in the text every word has to be a keyword or one of those
replaced, or a number, or it is no JSON.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn

KEYS: Final = ("index", "time", "type", "process", "f", "value", "error")
WORDS: Final = (":invoke", ":ok", ":info", ":fail", ":txn", ":nemesis")
MICRO_OPERATIONS: Final = (":append", ":r", ":w")
OPERATION_TAG: Final = "#jepsen.history.Op"

LINES_AT_ONCE: Final = 32
"""One unusual line among them makes all of them be read one by one."""

_REPLACED: Final = (
    (", ", " "),
    *((f":{key} ", f'"{key}":') for key in KEYS),
    *((word, f'"{word}"') for word in WORDS),
    *((f"{word} ", f'"{word}" ') for word in MICRO_OPERATIONS),
    (" ", ","),
    ("nil", "null"),
    ("\n", ","),
)
_TAGGED: Final = OPERATION_TAG + "{"

_OTHER_KEYWORD: Final = re.compile(r"(?<=[,\[:])(:[^\s,:\[\](){}\"';\\]+)(?=[,\]}])")
"""Keywords that are keys, most of all, as in `[:r :x nil]`."""
_NIL_IN_KEYWORD: Final = re.compile(r'"[^"]*null[^"]*"')

_TOKEN: Final = re.compile(
    r"""
      (?P<space>   [\s,]+ | ;[^\n]* )
    | (?P<open>    \#\{ | [\[({] )
    | (?P<close>   [\])}] )
    | (?P<string>  "(?:[^"\\]|\\.)*" )
    | (?P<discard> \#_ )
    | (?P<special> \#\#-?[A-Za-z]+ )
    | (?P<tag>     \#[A-Za-z][^\s,\[\](){}"; ]* )
    | (?P<char>    \\(?:newline|space|tab|return|formfeed|backspace|u[0-9A-Fa-f]{4}|.) )
    | (?P<atom>    [^\s,\[\](){}";\\\#][^\s,\[\](){}";\\]* )
    | (?P<bad>     . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSES: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_NAMED: Final = {"nil": None, "true": True, "false": False}
_SPECIAL: Final = {"##Inf": float("inf"), "##-Inf": float("-inf"), "##NaN": float("nan")}
_CHARACTERS: Final = {
    "newline": "\n", "space": " ", "tab": "\t", "return": "\r", "formfeed": "\f",
    "backspace": "\b",
}  # fmt: skip
_INTEGER: Final = re.compile(r"([+-]?[0-9]+)N?")
_FLOAT: Final = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)M?")
_RATIO: Final = re.compile(r"([+-]?[0-9]+)/([0-9]+)")


class MalformedEdn(ValueError):
    """The text is no EDN. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def read_forms(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Each form of the text with the number of the line that it begins on.

    The elements of a vector or list that is not itself in another are forms: a history may be one
    big vector. MalformedEdn.
    """
    reader = _Reader()
    rest = iter(lines)
    number = 0
    while block := list(itertools.islice(rest, LINES_AT_ONCE)):
        usual = _read_usual(block) if reader.is_between_forms else None
        if usual is not None:
            yield from enumerate(usual, number + 1)
            number += len(block)
            continue
        for line in block:
            number += 1
            usual = _read_usual([line]) if reader.is_between_forms else None
            if usual is not None:
                yield number, usual[0]
            else:
                yield from reader.feed(line, number)
    reader.close()


def to_edn(value: Any) -> str:
    """The value as EDN, as `read_forms` would read it again."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if _is_keyword(value) else json.dumps(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} {to_edn(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(to_edn, value)) + "]"
    return repr(value)


def _key(key: Any) -> str:
    return f":{key}" if isinstance(key, str) and _is_keyword(f":{key}") else to_edn(key)


def _is_keyword(text: str) -> bool:
    return re.fullmatch(r":[^\s,\[\](){}\";\\:][^\s,\[\](){}\";\\]*", text) is not None


# the fast way -----------------------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decode_json: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _read_usual(lines: list[str]) -> list[dict[str, Any]] | None:
    """Lines each of which is one map without anything unusual; None when one is not."""
    text = "".join(lines).strip()
    if '"' in text:
        return None
    if "\n " in text:
        text = "\n".join(map(str.strip, lines))
    text = text.replace(_TAGGED, "{")
    for word, replacement in _REPLACED:
        text = text.replace(word, replacement)
    found = _decode(text)
    if found is None:
        text = _OTHER_KEYWORD.sub(r'"\1"', text)
        found = _decode(text) if _NIL_IN_KEYWORD.search(text) is None else None
    if found is None or len(found) != len(lines) or any(type(one) is not dict for one in found):
        return None
    return found


def _decode(text: str) -> list[Any] | None:
    """The values that the lines are, if they are JSON."""
    try:
        found = _decode_json(f"[{text}]")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


# the slow way -----------------------------------------------------------------------------------


class _Frame:
    """A collection, or what stands before a value, that is not complete yet."""

    __slots__ = ("items", "kind", "line", "takes_values")

    def __init__(self, kind: str, line: int, takes_values: bool) -> None:
        self.kind = kind
        self.line = line
        self.takes_values = takes_values
        """Not the vector around everything, whose elements are forms; nor a tag."""
        self.items: list[Any] = []


class _Reader:
    """A stack of what is open, fed line by line."""

    def __init__(self) -> None:
        self._stack: list[_Frame] = []
        self._string = ""
        """A string that was begun, and goes on on the next line."""
        self._string_line = 0

    @property
    def is_between_forms(self) -> bool:
        """Whether nothing is open but the vector around everything."""
        if self._string:
            return False
        return not self._stack or (len(self._stack) == 1 and self._stack[0].kind in ("[", "("))

    def feed(self, line: str, number: int) -> Iterator[tuple[int, Any]]:
        """The forms that end on this line."""
        if self._string:
            line, self._string = self._string + line, ""
        else:
            self._string_line = number
        stack = self._stack
        for token in _TOKEN.finditer(line):
            kind, text = token.lastgroup, token.group()
            if kind == "space":
                continue
            if kind == "atom":
                value = _atom(text, number)
                if stack and stack[-1].takes_values:
                    stack[-1].items.append(value)
                else:
                    yield from self._add(value, number)
            elif kind == "open":
                stack.append(_Frame(text, number, bool(stack) or text not in ("[", "(")))
            elif kind == "close":
                yield from self._close(text, number)
            elif kind == "discard":
                stack.append(_Frame("#_", number, False))
            elif kind == "tag":
                stack.append(_Frame("#", number, False))
            elif text == '"':
                self._string = line[token.start() :]
                return
            elif kind == "bad":
                raise MalformedEdn(number, f"{text!r} has no meaning here")
            else:
                yield from self._add(_scalar(str(kind), text, number), number)

    def close(self) -> None:
        """The text ended."""
        if self._string:
            raise MalformedEdn(self._string_line, "a string has no end")
        if self._stack:
            frame = self._stack[-1]
            raise MalformedEdn(frame.line, f"the text ends before the {frame.kind!r} of this line")

    def _close(self, text: str, number: int) -> Iterator[tuple[int, Any]]:
        frame = self._stack.pop() if self._stack else None
        if frame is None or _CLOSES.get(frame.kind) != text:
            opened = "nothing was opened"
            if frame is not None:
                opened = f"{frame.kind!r} was opened on line {frame.line}"
            raise MalformedEdn(number, f"{text!r} closes nothing: {opened}")
        if not self._stack and text in "])":
            return
        value: Any = frame.items
        if frame.kind == "{":
            value = _map(frame, number)
        yield from self._add(value, frame.line)

    def _add(self, value: Any, line: int) -> Iterator[tuple[int, Any]]:
        """A value is complete: it goes to what is open around it, or out."""
        stack = self._stack
        while stack and stack[-1].kind in ("#", "#_"):
            frame = stack.pop()
            if frame.kind == "#_":
                return
            line = frame.line
        if self.is_between_forms:
            yield line, value
        else:
            stack[-1].items.append(value)


def _map(frame: _Frame, number: int) -> dict[Any, Any]:
    items = frame.items
    if len(items) % 2:
        raise MalformedEdn(number, "a map has a key without a value")
    found = {}
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, str) and key.startswith(":"):
            key = key[1:]
        elif isinstance(key, list | dict):
            key = to_edn(key)
        found[key] = value
    return found


def _scalar(kind: str, text: str, number: int) -> Any:
    if kind == "string":
        try:
            return json.loads(text, strict=False)
        except ValueError as error:
            raise MalformedEdn(number, f"a string with an unknown escape: {text[:40]}") from error
    if kind == "char":
        name = text[1:]
        if len(name) == 5 and name[0] == "u":
            return chr(int(name[1:], 16))
        return _CHARACTERS.get(name, name)
    if text not in _SPECIAL:
        raise MalformedEdn(number, f"{text} is no number")
    return _SPECIAL[text]


def _atom(text: str, number: int) -> Any:
    """A keyword, symbol, number, nil, true or false."""
    first = text[0]
    if first == ":" and len(text) > 1:
        return text
    if text in _NAMED:
        return _NAMED[text]
    if first.isdigit() or (first in "+-" and text[1:2].isdigit()):
        return _number(text, number)
    if first == ":":
        raise MalformedEdn(number, "a keyword without a name")
    return text


def _number(text: str, number: int) -> Any:
    try:
        if match := _INTEGER.fullmatch(text):
            return int(match[1])
        if match := _FLOAT.fullmatch(text):
            return float(match[1])
        if match := _RATIO.fullmatch(text):
            return int(match[1]) / int(match[2])
    except (ValueError, ArithmeticError) as error:
        raise MalformedEdn(number, f"{text[:40]} cannot be read as a number") from error
    raise MalformedEdn(number, f"{text[:40]} is no number")
