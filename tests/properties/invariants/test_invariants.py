"""Each invariant fails on a directory that was doctored to break it, and none on a clean one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from properties.invariants import check_directory
from tests.properties.invariants.damages import DAMAGES, Damage
from tests.properties.invariants.doctoring import Cluster

README = Path(__file__).parents[3] / "properties" / "invariants" / "README.md"


def test_nothing_is_wrong_with_a_cluster_that_was_shut_down(prepared: Cluster) -> None:
    report = check_directory(prepared.root)
    assert report.problems == ()
    assert report.unchecked == report.notes == ()
    assert report.looked_at["databases"] == 3
    assert report.looked_at["row versions"] > 1000
    assert report.looked_at["free space map pages"] == 3


@pytest.mark.parametrize(
    ("invariant", "damage"),
    [pytest.param(*one, id=f"{one[0]}-{one[1].__name__}") for one in DAMAGES],
)
def test_a_doctored_cluster_breaks(cluster: Cluster, invariant: str, damage: Damage) -> None:
    damage(cluster)
    report = check_directory(cluster.root)
    assert invariant in {problem.invariant for problem in report.problems}


def test_every_invariant_is_shown_failing() -> None:
    text = README.read_text(encoding="utf-8")
    stated = re.findall(r"^- \*\*([A-Z]+-\d+)\*\*", text, re.MULTILINE)
    assert len(stated) > 30
    assert set(stated) == {invariant for invariant, _ in DAMAGES}
