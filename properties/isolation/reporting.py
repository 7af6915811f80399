"""From a file to what is told of it: the verdict as text, as JSON and in pictures.

    report = judge_file(Path("history.edn"), model="snapshot-isolation")
    print("\\n".join(text_of(report)))

This is what `chaos check` shows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from properties.isolation.checking import check
from properties.isolation.drawing import to_dot, to_svg
from properties.isolation.explaining import Explainer
from properties.isolation.histories import History, NoHistory, read_history
from properties.isolation.models import canonical
from properties.isolation.transactions import FAIL, INFO, OK, Transaction
from properties.isolation.witnesses import Verdict, Witness
from properties.isolation.wording import meaning

__all__ = [
    "NoHistory",
    "Report",
    "canonical",
    "judge_file",
    "object_of",
    "pictures_of",
    "text_of",
]

DEFAULT_MODEL: Final = "strict-serializable"
WORDS: Final = {True: "held", False: "violated", None: "unknown"}
PROGRESS_EVERY: Final = 4096

Progress = Callable[[str, int, int], None]
"""Is told what is being done, and how much of how much of it is."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known of a history."""

    history: History
    verdict: Verdict
    reading_s: float
    """CPU time, as all times here."""
    checking_s: float


def judge_file(
    path: Path,
    *,
    workload: str | None = None,
    model: str = DEFAULT_MODEL,
    progress: Progress | None = None,
) -> Report:
    """Read a history and check it. NoHistory, OSError; ValueError for an unknown model."""
    model = canonical(model)
    tell = progress or _say_nothing
    began = time.process_time()
    history = read_history(path, workload, lambda done, of: tell("reading bytes", done, of))
    read = time.process_time()
    told = _telling(history.transactions, tell)
    verdict = check(told, workload=history.workload, model=model)
    return Report(history, verdict, read - began, time.process_time() - read)


def _say_nothing(_what: str, _done: int, _of: int) -> None:
    """Nobody asked how far it is."""


def _telling(transactions: Sequence[Transaction], tell: Progress) -> Iterator[Transaction]:
    """The transactions, and how many of them were taken."""
    total = len(transactions)
    for done, transaction in enumerate(transactions):
        if done % PROGRESS_EVERY == 0:
            tell("checking transactions", done, total)
        yield transaction
    tell(f"looking for cycles between {total:,} transactions", 0, 0)


# text -------------------------------------------------------------------------------------------


def text_of(report: Report) -> list[str]:
    """For people: the verdict, and of each anomaly one witness, explained."""
    verdict = report.verdict
    lines = [headline(report), *_history_lines(report.history, verdict), ""]
    explainer = Explainer(report.history.transactions, verdict.workload)
    for anomaly, witnesses in verdict.anomalies.items():
        count = verdict.counts[anomaly]
        is_forbidden = anomaly in verdict.violations
        may = "forbids" if is_forbidden else "allows"
        times = "once" if count == 1 else f"{count:,} times"
        lines.append(f"{anomaly}, {times}, which {verdict.model} {may}:")
        lines.append(f"  {meaning(anomaly)}.")
        lines += [f"  {line}" for witness in witnesses[:1] for line in explainer.explain(witness)]
        lines.append("")
    if verdict.unknowns:
        lines.append("What the history cannot tell:")
        lines += [f"  {unknown.kind}: {unknown.reason}" for unknown in verdict.unknowns]
        lines.append("")
    lines += _model_lines(verdict)
    lines.append(_speed_line(report))
    return lines


def headline(report: Report) -> str:
    """The verdict in one line."""
    verdict = report.verdict
    if verdict.valid:
        return f"held: nothing in this history speaks against {verdict.model}"
    if verdict.valid is None:
        return f"unknown: this history does not tell whether {verdict.model} held"
    return f"violated: {verdict.model} did not hold ({', '.join(verdict.violations)})"


def _history_lines(history: History, verdict: Verdict) -> list[str]:
    ended = Counter(transaction.status for transaction in history.transactions)
    ends = f"{ended[OK]:,} ok, {ended[FAIL]:,} failed, {ended[INFO]:,} never answered"
    lines = [
        f"{history.path}, {history.workload}: {verdict.transactions:,} transactions ({ends})",
        f"{verdict.committed:,} of them count as committed",
    ]
    if history.left_out:
        total = sum(history.left_out.values())
        each = ", ".join(f"{name} {count:,}" for name, count in history.left_out.items())
        lines.append(f"{total:,} events of no transaction were left out: {each}")
    return lines


def _model_lines(verdict: Verdict) -> list[str]:
    lines = []
    if verdict.ruled_out:
        weakest = verdict.weakest_ruled_out
        rest = [model for model in verdict.ruled_out if model not in weakest]
        also = f", and so also {', '.join(rest)}" if rest else ""
        lines.append(f"Ruled out: {', '.join(weakest)}{also}.")
    if verdict.strongest_possible:
        lines.append(f"Not ruled out: {', '.join(verdict.strongest_possible)}, and what is weaker.")
    else:
        lines.append("No model is left that could hold.")
    return lines


def _speed_line(report: Report) -> str:
    count = report.verdict.transactions
    return (
        f"Read in {report.reading_s:.2f} s, checked in {report.checking_s:.2f} s of CPU:"
        f" {count / max(report.checking_s, 1e-6):,.0f} transactions/s."
    )


# JSON -------------------------------------------------------------------------------------------


def object_of(report: Report) -> dict[str, Any]:
    """For programs: everything, as `json.dumps` takes it."""
    history, verdict = report.history, report.verdict
    explainer = Explainer(history.transactions, verdict.workload)
    return {
        "verdict": WORDS[verdict.valid],
        "model": verdict.model,
        "workload": verdict.workload,
        "violations": list(verdict.violations),
        "anomalies": {
            anomaly: {
                "count": verdict.counts[anomaly],
                "forbidden": anomaly in verdict.violations,
                "meaning": meaning(anomaly),
                "witnesses": [_witness_object(one, history, explainer) for one in witnesses],
            }
            for anomaly, witnesses in verdict.anomalies.items()
        },
        "unknowns": [
            {"kind": unknown.kind, "reason": unknown.reason, "key": _plain(unknown.key)}
            for unknown in verdict.unknowns
        ],
        "ruled_out": list(verdict.ruled_out),
        "weakest_ruled_out": list(verdict.weakest_ruled_out),
        "strongest_possible": list(verdict.strongest_possible),
        "transactions": verdict.transactions,
        "committed": verdict.committed,
        "history": {
            "path": str(history.path),
            "events": history.events,
            "left_out": history.left_out,
        },
        "cpu_seconds": {
            "reading": round(report.reading_s, 3),
            "checking": round(report.checking_s, 3),
        },
    }


def _witness_object(witness: Witness, history: History, explainer: Explainer) -> dict[str, Any]:
    transactions = [history.transactions[number] for number in witness.transactions]
    return {
        "transactions": [
            {
                "process": _plain(transaction.process),
                "status": transaction.status,
                "invoked": transaction.invoked,
                "completed": transaction.completed,
                "isolation": transaction.isolation,
                "value": [[op.f, _plain(op.key), _plain(op.value)] for op in transaction.ops],
            }
            for transaction in transactions
        ],
        "edges": [
            {
                "from": witness.transactions.index(edge.source),
                "to": witness.transactions.index(edge.target),
                "kind": edge.kind,
                "key": _plain(edge.key),
                "values": _plain(edge.values),
            }
            for edge in witness.edges
        ],
        "detail": {name: _plain(value) for name, value in witness.detail.items()},
        "explanation": explainer.explain(witness),
    }


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | None) else str(value)


# pictures ---------------------------------------------------------------------------------------


def pictures_of(report: Report, *, dot: bool, svg: bool) -> Iterator[tuple[str, str]]:
    """Names of files and what is in them: each witness that was kept."""
    transactions = report.history.transactions
    for anomaly, witnesses in report.verdict.anomalies.items():
        for number, witness in enumerate(witnesses, 1):
            if dot:
                yield f"{anomaly}-{number}.dot", to_dot(witness, transactions)
            if svg:
                yield f"{anomaly}-{number}.svg", to_svg(witness, transactions)
