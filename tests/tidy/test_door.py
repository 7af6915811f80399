"""The door rule: the engine reaches the world through `engine/host/real/` and nowhere else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tests.tidy.source import complain, imports, parsed, python_files, relative

DOOR = Path("engine/host/real")

PURE_STANDARD_LIBRARY = frozenset(
    [
        "__future__",
        "abc",
        "array",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "errno",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "inspect",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "statistics",
        "string",
        "stringprep",
        "struct",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "weakref",
        "zlib",
    ]
)
"""What engine/ may import of the standard library: nothing that acts on the world, waits or differs
from run to run."""

PURE_LIBRARIES = frozenset({"crc32c", "numpy", "pglast", "scramp"})

ONLY_ON_THE_COMMAND_LINE = frozenset({"click", "importlib", "rich", "sys", "traceback"})

BUILTINS_THAT_ACT = frozenset(
    {"open", "input", "print", "breakpoint", "exec", "eval", "__import__"}
)


def engine_files() -> list[Path]:
    """The files of the engine on this side of the door."""
    return [path for path in python_files("engine") if DOOR not in relative(path).parents]


def test_engine_imports_only_what_cannot_touch_the_world() -> None:
    problems = []
    for path in engine_files():
        allowed = PURE_STANDARD_LIBRARY | PURE_LIBRARIES | {"engine"}
        if relative(path).parts[1] == "cli":
            allowed |= ONLY_ON_THE_COMMAND_LINE
        problems += [
            f"{relative(path)}:{found.line}: imports {found.module}"
            for found in imports(path)
            if found.module.partition(".")[0] not in allowed
        ]
    complain(
        problems,
        "take what you need from the Host that is passed in (engine/host/api.py); a new effect is "
        "a new call of the door. A library that is pure belongs on the list in this test.",
    )


def test_engine_calls_no_builtin_that_touches_the_world() -> None:
    problems = []
    for path in engine_files():
        on_the_command_line = relative(path).parts[1] == "cli"
        for node in ast.walk(parsed(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            name = node.func.id
            if name in BUILTINS_THAT_ACT and not (name == "print" and on_the_command_line):
                problems.append(f"{relative(path)}:{node.lineno}: calls {name}()")
    complain(problems, "use host.open() and the other calls of engine/host/api.py.")


def test_engine_reads_the_clock_through_the_door() -> None:
    problems = [
        f"{relative(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in engine_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("datetime", "date")
        and node.attr in ("now", "today", "utcnow")
    ]
    complain(problems, "ask the host: host.now_us(), host.monotonic_us().")


DIFFERENT_IN_EACH_PROCESS = frozenset({"hash", "id"})
HASHES_INTEGERS_ONLY = Path("engine/storage/buffer/lookup_table.py")


def test_engine_asks_for_no_address_hash_or_end_of_an_object() -> None:
    problems = []
    for path in engine_files():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                if name in DIFFERENT_IN_EACH_PROCESS and relative(path) != HASHES_INTEGERS_ONLY:
                    problems.append(f"{relative(path)}:{node.lineno}: calls {name}()")
            if isinstance(node, ast.FunctionDef) and node.name == "__del__":
                problems.append(f"{relative(path)}:{node.lineno}: defines __del__")
    complain(problems, "HOST-9: use a number that is the same in every run; close explicitly.")


def test_the_lists_of_allowed_modules_name_real_modules() -> None:
    unknown = PURE_STANDARD_LIBRARY - sys.stdlib_module_names
    complain(sorted(unknown), "correct the name in PURE_STANDARD_LIBRARY.")
