"""From a history to a verdict: the way in (DSG-1, DSG-2).

What was inferred is certain, and the cycles in it are violations. What was not inferred may hide
some.

    - a list's committed but unread appends have no known order. If the graph has no cycle at all,
      any order that agrees with it will do, and nothing is hidden
    - a register's blind writes have no known order. Then orders are proposed (`ordering.py`). If
      with one of them nothing is found that the model forbids, the history holds: a model asks for
      no more than that such an order exists. If something is found with each, that proves
      nothing, since another order might do: the verdict is unknown
"""

from __future__ import annotations

from collections.abc import Iterable

from properties.isolation import models
from properties.isolation.columns import Observed
from properties.isolation.cycles import GIVEN_UP, find_cycles
from properties.isolation.graph import build
from properties.isolation.list_append import ListHistory
from properties.isolation.ordering import attempts, propose
from properties.isolation.rw_register import RegisterHistory
from properties.isolation.transactions import Transaction
from properties.isolation.witnesses import Findings, Unknown, Verdict

WORKLOADS = ("list-append", "rw-register")


def check(
    transactions: Iterable[Transaction],
    *,
    workload: str = "list-append",
    model: str = "strict-serializable",
) -> Verdict:
    """What a history says of a model.

    Transactions come in any order, each id once; a generator's will do. `ValueError` for a workload
    or a model that is not known, and for an operation that is none of the workload's.
    """
    model = models.canonical(model)
    findings = Findings()
    history: ListHistory | RegisterHistory
    if workload == "list-append":
        history = ListHistory(findings)
    elif workload == "rw-register":
        history = RegisterHistory(findings)
    else:
        raise ValueError(f"unknown workload {workload!r}; known are {', '.join(WORKLOADS)}")
    for transaction in transactions:
        history.add(transaction)
    observed = history.observed()
    if len(observed.columns):
        is_cyclic = find_cycles(build(observed), observed, findings)
        hides = len(observed.loose_keys) > 0 and (is_cyclic or workload != "list-append")
        if hides and not models.FORBIDDEN[model] & set(findings.counts):
            _try_orders(observed, findings, model)
    return judge(findings, workload, model, len(observed.columns), int(observed.committed.sum()))


def _try_orders(observed: Observed, findings: Findings, model: str) -> None:
    """Note an unknown unless the model holds with some order of the loose keys' versions."""
    for attempt in attempts(model, findings.counts):
        proposed = propose(observed, attempt)
        supposed = Findings()
        find_cycles(build(proposed), proposed, supposed)
        if not models.FORBIDDEN[model] & set(supposed.counts) and not limits(supposed, model):
            return
    keys = observed.loose_keys
    findings.unknown(
        "order unknown",
        f"the history does not show the order of the versions of {len(keys)} keys (the first: "
        f"{observed.key_name(int(keys[0]))!r}), and no order was found that satisfies the model",
    )


def limits(findings: Findings, model: str) -> tuple[Unknown, ...]:
    """The unknowns that matter to a model."""
    forbidden = models.FORBIDDEN[model]
    one_is_worse = "G-single" in forbidden and "G-nonadjacent" not in forbidden
    return tuple(u for u in findings.unknowns if one_is_worse or u.kind != GIVEN_UP)


def judge(
    findings: Findings, workload: str, model: str, transactions: int, committed: int
) -> Verdict:
    """The verdict of all that was found."""
    found = [anomaly for anomaly in models.ANOMALIES if anomaly in findings.counts]
    violations = tuple(anomaly for anomaly in found if anomaly in models.FORBIDDEN[model])
    out = models.ruled_out(found)
    unknowns = limits(findings, model)
    return Verdict(
        workload=workload,
        model=model,
        valid=False if violations else None if unknowns else True,
        anomalies={anomaly: tuple(findings.witnesses[anomaly]) for anomaly in found},
        counts={anomaly: findings.counts[anomaly] for anomaly in found},
        violations=violations,
        unknowns=unknowns,
        ruled_out=out,
        weakest_ruled_out=models.weakest(out),
        strongest_possible=models.strongest_possible(found),
        transactions=transactions,
        committed=committed,
    )
