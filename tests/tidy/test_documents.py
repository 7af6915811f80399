"""The documents stay true: invariants are stated and cited, ARCHITECTURE.md points at things."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tidy.source import (
    PACKAGES,
    ROOT,
    complain,
    project_files,
    python_files,
    relative,
)

INVARIANT = re.compile(r"\b[A-Z][A-Z0-9]+-[0-9]+\b")
STATED = re.compile(
    r"^(?:\s*[-*]\s+|\s*\|\s*|#+\s+|\s*)(?:\*\*|`)*([A-Z][A-Z0-9]+-[0-9]+)\b", re.MULTILINE
)
"""An invariant is stated where its id begins a line, a list item, a heading or a table row."""

NOT_INVARIANTS = re.compile(
    r"^(?:CRC|UTF|SHA|SCRAM|ISO|RFC|XX|HMAC|SQL|PR|AES|IEEE|ANSI|CVE|UTC|MD|TCP|KOI|LATIN|WIN|PL)-"
)

TABLE_ROW = re.compile(r"^\|(?P<cells>.*)\|\s*$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def invariant_ids(text: str, pattern: re.Pattern[str]) -> set[str]:
    """The ids in a text that are ids of invariants."""
    found = {match[match.lastindex or 0] for match in pattern.finditer(text)}
    return {name for name in found if not NOT_INVARIANTS.match(name)}


def stated_invariants() -> dict[str, list[Path]]:
    """Where each id is stated: in a package's README.md, or in the contract of the door."""
    stated: dict[str, list[Path]] = {}
    for path in project_files():
        in_a_package = relative(path).parts[0] in PACKAGES
        if in_a_package and (path.name == "README.md" or path == ROOT / "engine/host/api.py"):
            for name in sorted(invariant_ids(path.read_text(encoding="utf-8"), STATED)):
                stated.setdefault(name, []).append(relative(path))
    return stated


def cited_invariants() -> dict[str, list[Path]]:
    """Which Python files of the packages name each id."""
    cited: dict[str, list[Path]] = {}
    for path in python_files():
        for name in sorted(invariant_ids(path.read_text(encoding="utf-8"), INVARIANT)):
            cited.setdefault(name, []).append(relative(path))
    return cited


def test_an_invariant_that_code_cites_is_stated_in_a_readme() -> None:
    stated = stated_invariants()
    problems = [
        f"{name} (in {', '.join(map(str, paths))})"
        for name, paths in sorted(cited_invariants().items())
        if name not in stated
    ]
    complain(
        problems, "state it in the README.md of its package, in a line that begins with the id."
    )


def test_an_invariant_that_a_readme_states_is_cited_where_it_is_kept() -> None:
    cited = cited_invariants()
    problems = [
        f"{name} (in {', '.join(map(str, paths))})"
        for name, paths in sorted(stated_invariants().items())
        if name not in cited
    ]
    complain(
        problems, "cite the id at the place that keeps it: a check() or a comment. Or drop it."
    )


def test_an_invariant_is_stated_once() -> None:
    problems = [
        f"{name}: {', '.join(map(str, paths))}"
        for name, paths in sorted(stated_invariants().items())
        if len(paths) > 1
    ]
    complain(problems, "keep one statement; elsewhere only cite the id.")


def test_every_package_of_the_engine_has_a_readme() -> None:
    packages = {relative(path).parts[:2] for path in python_files("engine")}
    problems = [
        "/".join(package)
        for package in sorted(packages)
        if len(package) == 2
        and (ROOT / Path(*package)).is_dir()
        and not (ROOT / Path(*package) / "README.md").exists()
    ]
    complain(
        problems, "write it: problem, files in reading order, protocol, invariants, differences."
    )


def where_is_rows() -> list[tuple[str, list[str]]]:
    """The rows of ARCHITECTURE.md's "Where is ...?" table: the question, and the places named."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Where is")
    section, _, _ = section.partition("\n## ")
    rows = []
    for match in TABLE_ROW.finditer(section):
        question, _, places = match["cells"].partition("|")
        if CODE.search(places):
            rows.append((question.strip(), CODE.findall(places)))
    return rows


def missing_place(place: str) -> str | None:
    """What is wrong with `path` or `path: symbol` or `path: Class.method`; None if it is there."""
    name, _, symbol = place.partition(": ")
    path = ROOT / name
    if not path.exists():
        return f"there is no {name}"
    for part in filter(None, symbol.split(".")):
        pattern = (
            rf"^\s*(?:(?:async )?def|class)\s+{re.escape(part)}\b|^\s*{re.escape(part)}\b\s*[:=]"
        )
        if not re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE):
            return f"{name} defines no {part}"
    return None


def test_the_where_is_table_points_at_things_that_exist() -> None:
    rows = where_is_rows()
    assert len(rows) >= 10, "ARCHITECTURE.md lost its table 'Where is ...?'"
    problems = [
        f"{question}: {problem}"
        for question, places in rows
        for place in places
        if (problem := missing_place(place)) is not None
    ]
    complain(problems, "correct the place in ARCHITECTURE.md: `path` or `path: symbol`.")


def test_links_between_documents_lead_somewhere() -> None:
    link = re.compile(r"\]\(([^)#\s]+)")
    problems = [
        f"{relative(path)}: {target}"
        for path in project_files()
        if path.suffix == ".md"
        for target in link.findall(path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    complain(problems, "correct the link.")
