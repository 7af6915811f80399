"""What anomalies are called in sentences: what each is, and what is said of one that is no cycle.

In a sentence stand the names of the witness's detail, `{thing}` (list or register), `{wrote}`
(appended or wrote), `{names}` (all transactions) and `{T1}`, `{T2}`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

MEANINGS: Final[Mapping[str, str]] = {
    "G0": "a write cycle: transactions overwrote each other, so none can be the first",
    "G1a": "an aborted read: what was read had been written by a transaction that failed",
    "G1b": "an intermediate read: what was read is what a transaction wrote on its way, not at its"
    " end",
    "G1c": "a circular flow of information: each transaction had an effect on the next, and the"
    " last on the first",
    "G-single": "read skew: a transaction saw another's effects in part, so the one comes both"
    " before and after the other (a cycle with one anti-dependency)",
    "G-nonadjacent": "a long fork: a cycle with several anti-dependencies, no two in a row, so no"
    " snapshots explain it",
    "G2-item": "write skew: each transaction missed a write of the next (a cycle with"
    " anti-dependencies)",
    "dirty-update": "a dirty update: a committed write was made on top of one that failed",
    "incompatible-order": "incompatible orders: what was read of a list cannot have come about by"
    " appending",
    "cyclic-versions": "cyclic versions: what is known of the order of a register's values goes in"
    " a circle",
    "lost-update": "a lost update: transactions read the same version and each wrote its own on top"
    " of it",
    "internal": "internal inconsistency: a transaction read something else than its own reads and"
    " writes left there",
    "duplicate-elements": "duplicate elements: what was appended once is in a list more than once",
    "phantom-elements": "phantom elements: a list has what nobody appended",
    "garbage-read": "a garbage read: a register had a value that nobody wrote",
}
VARIANTS: Final[Mapping[str, str]] = {
    "-process": ", counting that a process does one thing after the other",
    "-realtime": ", counting that what was over came before what began later",
}

_SENTENCES: Final[tuple[tuple[str, frozenset[str], str], ...]] = (
    (
        "G1a",
        frozenset({"key", "value", "read"}),
        """{T1} read {thing} {key} as {read}: {value} is there.
        However, {T2} {wrote} {value}, and {T2} failed: nobody should ever see it.""",
    ),
    (
        "G1a",
        frozenset({"key", "value"}),
        """{T1} read {value} from {thing} {key}.
        However, {T2} {wrote} {value}, and {T2} failed: nobody should ever see it.""",
    ),
    (
        "G1b",
        frozenset({"key", "value", "later", "read"}),
        """{T1} read {thing} {key} as {read}, as {T2} had left it with {value}.
        However, {T2} then {wrote} {later}: nobody else may see the one without the other.""",
    ),
    (
        "G1b",
        frozenset({"key", "value", "later"}),
        """{T1} read {value} from {thing} {key}, which {T2} had written.
        However, {T2} then {wrote} {later}: nobody else may see what it was to replace itself.""",
    ),
    (
        "dirty-update",
        frozenset({"key", "values"}),
        """{T2} failed, but what it {wrote} stayed in {thing} {key}, and what {T1} {wrote} came on
        top: {values}.
        However, {T1} committed: it made its version out of one that never was.""",
    ),
    (
        "incompatible-order",
        frozenset({"key", "reads"}),
        """{names} read list {key} as {reads}.
        However, a list only grows at its end: of two reads the shorter must be how the longer
        begins.""",
    ),
    (
        "incompatible-order",
        frozenset({"key", "appended", "read"}),
        """{T1} read list {key} as {read}.
        However, {T2} appended {appended} to it in this order.""",
    ),
    (
        "lost-update",
        frozenset({"key", "value"}),
        """{names} read {thing} {key} when its latest value was {value}, and each {wrote} its own on
        top of it.
        However, once one of them had done so, the others were not to replace what they had not
        seen.""",
    ),
    (
        "internal",
        frozenset({"key", "expected", "read"}),
        """{T1} read {thing} {key} as {read}.
        However, after what it had itself read and {wrote} before, it had to read {expected}.""",
    ),
    (
        "internal",
        frozenset({"key", "future"}),
        """{T1} read {future} from {thing} {key}.
        However, it was {T1} itself that {wrote} {future}, and only after it had read it.""",
    ),
    (
        "cyclic-versions",
        frozenset({"key", "versions"}),
        """{names} each read one of the values {versions} from {thing} {key} and wrote the next.
        However, the first was written by who had read the last: none of them was there first.""",
    ),
    (
        "duplicate-elements",
        frozenset({"key", "elements", "read"}),
        """{T1} read list {key} as {read}.
        However, each value was appended once, and these are there more often: {elements}.""",
    ),
    (
        "phantom-elements",
        frozenset({"key", "value", "read"}),
        """{T1} read list {key} as {read}.
        However, nobody ever appended {value} to it.""",
    ),
    (
        "garbage-read",
        frozenset({"key", "read"}),
        """{T1} read {thing} {key} as {read}.
        However, nobody ever {wrote} that.""",
    ),
    (
        "garbage-read",
        frozenset({"key", "value"}),
        """{T1} read {value} from {thing} {key}.
        However, nobody ever {wrote} that.""",
    ),
)
"""Each anomaly, what its witness must tell, and the sentences, each of which ends a line."""


def meaning(anomaly: str) -> str:
    """What the anomaly is, without its name."""
    for suffix, added in VARIANTS.items():
        if anomaly.endswith(suffix):
            return MEANINGS[anomaly.removesuffix(suffix)] + added
    return MEANINGS.get(anomaly, anomaly)


def sentences_for(anomaly: str, detail: Collection[str]) -> list[str]:
    """Templates of the sentences; none if the witness does not tell enough."""
    for name, needs, text in _SENTENCES:
        if name == anomaly and needs <= set(detail):
            words = " ".join(text.split())
            first, however, second = words.partition(" However, ")
            return [first, however.strip() + " " + second]
    return []
