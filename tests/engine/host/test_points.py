"""Injection points: each is called somewhere, with what it is about."""

from __future__ import annotations

import ast

import pytest

from engine.host.points import About, Point
from tests.tidy.source import parsed, python_files, relative


def calls() -> dict[str, list[tuple[str, ast.Call]]]:
    """By the name of a point: the calls of it and where they are."""
    found: dict[str, list[tuple[str, ast.Call]]] = {point.name: [] for point in Point}
    for path in python_files("engine"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Attribute) and ast.unparse(first.value) == "Point":
                    found[first.attr].append((f"{relative(path)}:{node.lineno}", node))
    return found


CALLS = calls()


@pytest.mark.parametrize("point", list(Point), ids=lambda point: point.value)
def test_a_point_is_passed_with_what_it_is_about(point: Point) -> None:
    assert CALLS[point.name], f"nothing in engine/ calls {point}"
    wanted = 1 if point.about is About.NOTHING else 2
    wrong = [where for where, call in CALLS[point.name] if len(call.args) != wanted]
    assert not wrong, f"{point} is about {point.about.value}"


def test_a_point_is_known_by_its_name() -> None:
    assert Point("child-forked") is Point.CHILD_FORKED
    assert len({point.value for point in Point}) == len(list(Point))
