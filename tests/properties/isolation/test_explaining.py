"""What was found is told in sentences and drawn, whatever it is."""

from __future__ import annotations

import json
import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from properties.isolation.checking import check
from properties.isolation.drawing import to_dot, to_svg
from properties.isolation.explaining import Explainer, described, names_of, shown
from properties.isolation.histories import LIST_APPEND, RW_REGISTER, read_history
from properties.isolation.models import ANOMALIES
from properties.isolation.reporting import judge_file, object_of, pictures_of, text_of
from properties.isolation.transactions import Op, Transaction
from properties.isolation.witnesses import Edge, Witness
from properties.isolation.wording import MEANINGS, VARIANTS, meaning
from tests.properties.isolation.defined_lists import LISTS
from tests.properties.isolation.defined_registers import REGISTERS
from tests.properties.isolation.definitions import IN_TURN, Defined, edn
from tests.properties.isolation.executors import random_history

TOLD_OF_LISTS = (
    (
        "G0: two",
        "G0",
        """T1 < T2, because T2 appended 2 to list :x after T1 had appended 1.
        However, T2 < T1, because T1 appended 1 to list :y after T2 had appended 2: a
        contradiction.""",
    ),
    (
        "G1c: each",
        "G1c",
        """T1 < T2, because T2 read list :x as [1], and T1 had appended 1.
        However, T2 < T1, because T1 read list :y as [1], and T2 had appended 1: a
        contradiction.""",
    ),
    (
        "lost update",
        "G-single",
        """T1 < T2, because T2 appended 3 to list :x after T1 had appended 2.
        However, T2 < T1, because T2 read list :x as [1], and T1 appended 2 right after it: a
        contradiction.""",
    ),
    (
        "lost update",
        "lost-update",
        """T1 and T2 read list :x when its latest value was 1, and each appended its own on top of
        it. However, once one of them had done so, the others were not to replace what they had not
        seen.""",
    ),
    (
        "G-single-realtime",
        "G-single-realtime",
        """T1 < T2, because T1 was over (at 3) before T2 began (at 4).
        However, T2 < T1, because T2 read list :x as [1], and T1 appended 2 right after it: a
        contradiction.""",
    ),
    (
        "G0-process",
        "G0-process",
        """T1 < T2, because process 0 ran T1 before T2.
        However, T2 < T1, because T1 appended 2 to list :x after T2 had appended 1: a
        contradiction.""",
    ),
    (
        "G1c through a transaction that was never answered",
        "G1c",
        """T1 < T2, because T2 read list :x as [1], and T1 had appended 1.
        However, T2 < T1, because T1 appended 2 to list :y after T2 had appended 1: a
        contradiction. (T1 was never answered, but what it wrote was read: it committed.)""",
    ),
    (
        "G1a",
        "G1a",
        """T1 read list :x as [1]: 1 is there.
        However, T2 appended 1, and T2 failed: nobody should ever see it.""",
    ),
    (
        "internal: its own",
        "internal",
        """T1 read list :x as [].
        However, after what it had itself read and appended before, it had to read ["..." 1].""",
    ),
    (
        "an append that is there twice",
        "duplicate-elements",
        """T1 read list :x as [1 1].
        However, each value was appended once, and these are there more often: 1 (2 times).""",
    ),
)
TOLD_OF_REGISTERS = (
    (
        "G-single: an old",
        "G-single",
        """T1 < T2, because T2 read 1 from register :y, which T1 had written.
        However, T2 < T1, because T2 read 1 from register :x, which T1 overwrote with 2: a
        contradiction.""",
    ),
    (
        "G1a",
        "G1a",
        """T1 read 1 from register :x.
        However, T2 wrote 1, and T2 failed: nobody should ever see it.""",
    ),
)
SVG = "{http://www.w3.org/2000/svg}"


def named(name: str, cases: list[Defined] = LISTS) -> Defined:
    [found] = [case for case in cases if case.name.startswith(name)]
    return found


def told(tmp_path: Path, case: Defined, workload: str = LIST_APPEND) -> dict[str, list[str]]:
    """What is said of the first witness of each anomaly, after `Then`."""
    file = tmp_path / "history.edn"
    file.write_text(edn(case))
    transactions = read_history(file, workload).transactions
    explainer = Explainer(transactions, workload)
    found = {}
    for anomaly, witnesses in check(transactions, workload=workload).anomalies.items():
        lines = explainer.explain(witnesses[0])
        found[anomaly] = [line.strip() for line in lines[lines.index("Then") + 1 :]]
    return found


def test_every_anomaly_has_a_meaning() -> None:
    assert all(meaning(anomaly) != anomaly for anomaly in ANOMALIES)
    assert {anomaly for anomaly in ANOMALIES if not anomaly.endswith(tuple(VARIANTS))} == set(
        MEANINGS
    )


def test_a_witness_is_told_step_by_step(tmp_path: Path) -> None:
    for name, anomaly, sentences in TOLD_OF_LISTS:
        found = told(tmp_path, named(name))[anomaly]
        assert " ".join(found) == " ".join(sentences.split())


def test_registers_are_told_as_registers(tmp_path: Path) -> None:
    for name, anomaly, sentences in TOLD_OF_REGISTERS:
        found = told(tmp_path, named(name, REGISTERS), RW_REGISTER)[anomaly]
        assert " ".join(found) == " ".join(sentences.split())


@pytest.mark.parametrize("case", [*LISTS, *REGISTERS], ids=lambda case: str(case.name))
def test_whatever_is_found_gets_sentences_and_never_bare_facts(
    tmp_path: Path, case: Defined
) -> None:
    workload = LIST_APPEND if case in LISTS else RW_REGISTER
    for anomaly, lines in told(tmp_path, case, workload).items():
        text = " ".join(lines)
        assert "However, " in text
        assert meaning(anomaly) not in text
        assert "{" not in text
        assert "None" not in text


def test_a_cycle_goes_round_in_sentences_and_in_drawings() -> None:
    seen = 0
    for seed in range(150):
        workload = (LIST_APPEND, RW_REGISTER)[seed % 2]
        transactions = random_history(random.Random(seed), workload, "read uncommitted")
        explainer = Explainer(transactions, workload)
        for witnesses in check(transactions, workload=workload).anomalies.values():
            for witness in witnesses:
                said = [
                    re.search(r"(T\d+) < (T\d+), ", line) for line in explainer.explain(witness)
                ]
                steps = [(step[1], step[2]) for step in said if step]
                assert len(steps) == len(witness.edges)
                assert all(a[1] == b[0] for a, b in pairwise([*steps, *steps[:1]]))
                drawn = re.findall(r"(T\d+) -> (T\d+) ", to_dot(witness, transactions))
                assert drawn == steps
                picture = ET.fromstring(to_svg(witness, transactions))
                assert len(picture.findall(f"{SVG}path")) == len(steps)
                assert len(picture.findall(f"{SVG}rect")) == 1 + len(names_of(witness))
                seen += 1
    assert seen > 100


def box_of(rect: ET.Element) -> tuple[float, float, float, float]:
    left, top = float(rect.attrib["x"]), float(rect.attrib["y"])
    return (left, top, left + float(rect.attrib["width"]), top + float(rect.attrib["height"]))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
def test_boxes_of_a_drawing_lie_within_it_and_not_on_each_other(count: int) -> None:
    transactions = [
        Transaction(i, "<&>", "ok", (Op("r", 5, tuple(range(9 * i))),), 2 * i, 2 * i + 1)
        for i in range(count)
    ]
    edges = tuple(Edge(i, (i + 1) % count, "rw", '"5"', (1, None)) for i in range(count))
    witness = Witness("G2-item", tuple(range(count)), edges)
    picture = ET.fromstring(to_svg(witness, transactions))
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    boxes = [box_of(rect) for rect in picture.findall(f"{SVG}rect")[1:]]
    assert len(boxes) == count
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert 0 < left < right < width
        assert 0 < top < bottom < height
        for other in boxes[:i]:
            apart = right < other[0] or other[2] < left or bottom < other[1] or other[3] < top
            assert apart


def test_long_lists_are_shown_without_their_middle() -> None:
    assert shown(tuple(range(24))) == "[" + " ".join(map(str, range(24))) + "]"
    assert shown(tuple(range(100))).startswith("[0 1 2 3 ... 80 81 ")
    long = Transaction(0, "n", "info", (Op("r", ":x", None),), 4, None, "serializable")
    assert described(long) == 'process "n", 4 to no end, info at serializable: [[:r :x nil]]'


def test_a_report_is_the_same_in_text_json_and_pictures(tmp_path: Path) -> None:
    file = tmp_path / "history.edn"
    file.write_text(edn(named("G-nonadjacent: two")))
    steps: list[str] = []
    report = judge_file(file, model="si", progress=lambda what, done, of: steps.append(what))
    text = text_of(report)
    found = json.loads(json.dumps(object_of(report)))
    assert text[0] == "violated: snapshot-isolation did not hold (G-nonadjacent)"
    assert (found["verdict"], found["violations"]) == ("violated", ["G-nonadjacent"])
    [witness] = found["anomalies"]["G-nonadjacent"]["witnesses"]
    assert len(witness["transactions"]) == len(witness["edges"]) == 4
    assert all(f"  {line}" in text for line in witness["explanation"])
    names = [name for name, _ in pictures_of(report, dot=True, svg=True)]
    assert names == ["G-nonadjacent-1.dot", "G-nonadjacent-1.svg"]
    assert steps[-1] == "looking for cycles between 4 transactions"


def test_positions_are_those_of_the_history(tmp_path: Path) -> None:
    file = tmp_path / "history.edn"
    case = named("G-single-process")
    assert case.when == IN_TURN
    lines = edn(case).splitlines()
    file.write_text("\n".join(f"{{:index {90 + i}, {x[1:]}" for i, x in enumerate(lines)))
    text = "\n".join(text_of(judge_file(file)))
    assert "T1 = process 1, 92 to 93, ok: [[:append :x 2]]" in text
