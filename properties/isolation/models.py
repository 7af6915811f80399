"""Anomalies and consistency models, as data: which model forbids what, and which implies which.

Sources: Adya, "Weak Consistency" (1999), for PL-1, PL-2, PL-CS, PL-2+, PL-2.99, PL-SI and PL-3;
Cerone and Gotsman, "Analysing Snapshot Isolation" (2016), for parallel and (strong session)
snapshot isolation by the shape of cycles; Kingsbury and Alvaro, "Elle" (2020), and its table of
models, for the rest.

A model forbids what is listed with it, what the models that it implies forbid, and every anomaly
that is a special case of what is forbidden. So the tables below have only what each adds.
"""

from __future__ import annotations

from collections.abc import Iterable

SPECIAL_CASE_OF: dict[str, tuple[str, ...]] = {
    # cycles
    "G0": ("G0-process", "G1c"),
    "G0-process": ("G0-realtime", "G1c-process"),
    "G0-realtime": ("G1c-realtime",),
    "G1c": ("G1c-process",),
    "G1c-process": ("G1c-realtime",),
    "G1c-realtime": (),
    "G-single": ("G-single-process", "G-nonadjacent"),
    "G-single-process": ("G-single-realtime", "G-nonadjacent-process"),
    "G-single-realtime": ("G-nonadjacent-realtime",),
    "G-nonadjacent": ("G-nonadjacent-process", "G2-item"),
    "G-nonadjacent-process": ("G-nonadjacent-realtime", "G2-item-process"),
    "G-nonadjacent-realtime": ("G2-item-realtime",),
    "G2-item": ("G2-item-process",),
    "G2-item-process": ("G2-item-realtime",),
    "G2-item-realtime": (),
    # single reads and writes
    "G1a": (),
    "G1b": (),
    "dirty-update": ("G1a",),
    "incompatible-order": ("G1a",),
    "cyclic-versions": ("G1c",),
    "lost-update": ("G-single",),
    "internal": ("G-single",),
    "duplicate-elements": (),
    "phantom-elements": (),
    "garbage-read": (),
}
"""Each anomaly, and those of which it is a special case: who forbids those, forbids it."""

IMPLIES: dict[str, tuple[str, ...]] = {
    "read-uncommitted": (),
    "read-committed": ("read-uncommitted",),
    "cursor-stability": ("read-committed",),
    "consistent-view": ("cursor-stability",),
    "parallel-snapshot-isolation": ("consistent-view",),
    "repeatable-read": ("cursor-stability",),
    "snapshot-isolation": ("parallel-snapshot-isolation",),
    "serializable": ("repeatable-read", "snapshot-isolation"),
    "strong-session-snapshot-isolation": ("snapshot-isolation",),
    "strong-session-serializable": ("serializable", "strong-session-snapshot-isolation"),
    "strong-snapshot-isolation": ("strong-session-snapshot-isolation",),
    "strict-serializable": ("strong-session-serializable", "strong-snapshot-isolation"),
}
"""Each model, weak ones first, and the next weaker ones that hold whenever it does."""

ADDS: dict[str, tuple[str, ...]] = {
    "read-uncommitted": ("G0", "duplicate-elements", "phantom-elements", "garbage-read"),
    "read-committed": ("G1a", "G1b", "G1c"),
    "cursor-stability": ("lost-update",),
    "consistent-view": ("G-single",),
    "parallel-snapshot-isolation": (),
    "repeatable-read": ("G2-item",),
    "snapshot-isolation": ("G-nonadjacent",),
    "serializable": (),
    "strong-session-snapshot-isolation": ("G1c-process", "G-nonadjacent-process"),
    "strong-session-serializable": ("G2-item-process",),
    "strong-snapshot-isolation": ("G1c-realtime", "G-nonadjacent-realtime"),
    "strict-serializable": ("G2-item-realtime",),
}
"""What each model forbids beyond the models that it implies.

Two add nothing here, where all reads and writes are of single keys and sessions are a matter of
other models: parallel snapshot isolation forbids what consistent view does, and to be serializable
is to keep both repeatable read and snapshot isolation.
"""

ALIASES: dict[str, str] = {
    "PL-1": "read-uncommitted",
    "PL-2": "read-committed",
    "PL-CS": "cursor-stability",
    "PL-2+": "consistent-view",
    "PL-2.99": "repeatable-read",
    "PL-SI": "snapshot-isolation",
    "PL-3": "serializable",
    "PL-SS": "strict-serializable",
    "psi": "parallel-snapshot-isolation",
    "si": "snapshot-isolation",
    "strict-snapshot-isolation": "strong-snapshot-isolation",
    "strong-serializable": "strict-serializable",
    "conflict-serializable": "serializable",
}
"""Other names of models."""

MODELS: tuple[str, ...] = tuple(IMPLIES)
ANOMALIES: tuple[str, ...] = tuple(SPECIAL_CASE_OF)


def canonical(name: str) -> str:
    """The name by which this file knows a model; `ValueError` when it knows none."""
    spelled = name.strip().lower().replace("_", "-").replace(" ", "-")
    for alias, model in ALIASES.items():
        if spelled == alias.lower():
            return model
    if spelled in IMPLIES:
        return spelled
    raise ValueError(f"unknown consistency model {name!r}; known are {', '.join(MODELS)}")


def _closure(start: Iterable[str], table: dict[str, tuple[str, ...]]) -> frozenset[str]:
    reached: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo.extend(table[name])
    return frozenset(reached)


def implied_by(model: str) -> frozenset[str]:
    """The model and all weaker ones that hold whenever it does."""
    return _closure([model], IMPLIES)


def general(anomaly: str) -> frozenset[str]:
    """The anomaly and all those of which it is a special case."""
    return _closure([anomaly], SPECIAL_CASE_OF)


def forbidden_by(model: str) -> frozenset[str]:
    """All anomalies that may not be found where the model holds."""
    listed = {anomaly for weaker in implied_by(model) for anomaly in ADDS[weaker]}
    return frozenset(anomaly for anomaly in ANOMALIES if general(anomaly) & listed)


FORBIDDEN: dict[str, frozenset[str]] = {model: forbidden_by(model) for model in MODELS}


def ruled_out(anomalies: Iterable[str]) -> tuple[str, ...]:
    """The models that do not hold where these anomalies are, weak ones first."""
    found = frozenset(anomalies)
    return tuple(model for model in MODELS if FORBIDDEN[model] & found)


def weakest(models: Iterable[str]) -> tuple[str, ...]:
    """Those of the models that imply no other of them."""
    given = tuple(models)
    return tuple(m for m in MODELS if m in given and not (implied_by(m) - {m}) & set(given))


def strongest(models: Iterable[str]) -> tuple[str, ...]:
    """Those of the models that no other of them implies."""
    given = tuple(models)
    return tuple(
        m for m in MODELS if m in given and not any(m in implied_by(o) for o in given if o != m)
    )


def strongest_possible(anomalies: Iterable[str]) -> tuple[str, ...]:
    """The strongest models that none of these anomalies speaks against."""
    out = ruled_out(anomalies)
    return strongest(model for model in MODELS if model not in out)
