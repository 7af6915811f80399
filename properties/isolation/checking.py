"""From a history to a verdict: the way in."""

from __future__ import annotations

from collections.abc import Iterable

from properties.isolation import models
from properties.isolation.transactions import Transaction
from properties.isolation.witnesses import Findings, Verdict

WORKLOADS = ("list-append", "rw-register")


def check(
    transactions: Iterable[Transaction],
    *,
    workload: str = "list-append",
    model: str = "strict-serializable",
) -> Verdict:
    """What a history says of a model.

    Transactions come in any order, each id once; `ValueError` for a workload or a model that is not
    known. Nothing of the transactions is kept.
    """
    model = models.canonical(model)
    if workload not in WORKLOADS:
        raise ValueError(f"unknown workload {workload!r}; known are {', '.join(WORKLOADS)}")
    findings = Findings()
    count = sum(1 for _ in transactions)
    findings.unknown("nothing read", "nothing is inferred yet")
    return judge(findings, workload, model, count, 0)


def judge(
    findings: Findings, workload: str, model: str, transactions: int, committed: int
) -> Verdict:
    """The verdict of all that was found."""
    found = [anomaly for anomaly in models.ANOMALIES if anomaly in findings.counts]
    violations = tuple(anomaly for anomaly in found if anomaly in models.FORBIDDEN[model])
    out = models.ruled_out(found)
    return Verdict(
        workload=workload,
        model=model,
        valid=False if violations else None if findings.unknowns else True,
        anomalies={anomaly: tuple(findings.witnesses[anomaly]) for anomaly in found},
        counts={anomaly: findings.counts[anomaly] for anomaly in found},
        violations=violations,
        unknowns=tuple(findings.unknowns),
        ruled_out=out,
        weakest_ruled_out=models.weakest(out),
        strongest_possible=models.strongest_possible(found),
        transactions=transactions,
        committed=committed,
    )
