"""Feeds the lists and registers of a run to the isolation checker (`properties/isolation`).

That one judges a finished history and knows nothing of ledgers and faults; here the history is
brought into its words:

- each transaction has the level that it asked for. What PostgreSQL calls REPEATABLE READ is
  snapshot isolation, and a snapshot has all that was acknowledged before it was taken: strong
  snapshot isolation;
- of a transaction whose COMMIT was never answered the next audit says whether it is in;
- an audit is a transaction too, of one snapshot, that reads every list and every register;
- a register is told as the list of the values that it has had. Its versions say in which order
  these were written, which of a mere register could only be guessed. A read of a version is left
  out while one before it has no known maker: `atomicity` compares versions with the ledger.

What an asynchronous commit may lose (`asynchronous.py`) was there until it was lost: so before
anything is taken away, what had happened until then is judged as it was; after that the lost
transactions never were, and neither were those that only read, since they may have seen them.

It is judged at each audit, since the sooner a run ends the smaller it is; what is judged once is
judged again with what came later, which is cheap for as few transactions as a run has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chaos.history import Event, Process
from chaos.oracle import Violation
from chaos.workloads.api import REPEATABLE_READ
from properties.checkers.asynchronous import is_crash, may_lose
from properties.isolation.checking import check
from properties.isolation.explaining import Explainer, names_of
from properties.isolation.transactions import FAIL, INFO, OK, Op, Status, Transaction
from properties.isolation.wording import meaning

WORKLOAD: Final = "list-append"
SNAPSHOTS: Final = "strong-snapshot-isolation"
STATEMENTS: Final = "read-committed"
INITIAL: Final = 0
"""What a register holds before it was written."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A transaction that has ended, and the positions of its events; `number` is the ledger's."""

    process: Process
    status: Status
    ops: tuple[Op, ...]
    invoked: int
    completed: int | None
    isolation: str | None
    number: int | None


class _Lists:
    """The transactions over lists, in the order in which they have ended."""

    audited = "lists"
    told_as = ""

    def __init__(self) -> None:
        self.ended: list[_Ended] = []
        self._told: set[str] = set()

    def ops_of(self, value: Any) -> tuple[Op, ...]:
        """What a transaction did, or an audit read."""
        return tuple(
            Op(kind, key, tuple(item) if kind == "r" and item is not None else item)
            for kind, key, item in value
        )

    def learn(self, judged: Sequence[_Ended]) -> None:
        """What `as_judged` must know of all of them."""

    def as_judged(self, ops: tuple[Op, ...]) -> tuple[Op, ...]:
        """The same in the words of the isolation checker."""
        return ops

    def resolve(self, ledger: set[int], completed: int) -> None:
        """Nobody knew of some whether they are in."""
        for place, one in enumerate(self.ended):
            if one.status == INFO and one.number is not None:
                is_in = one.number in ledger
                self.ended[place] = replace(
                    one, status=OK if is_in else FAIL, completed=completed if is_in else None
                )

    def lost(self, ledger: set[int], before: int) -> set[int]:
        """What had been acknowledged before the crash and is not there."""
        return {
            one.number
            for one in self.ended
            if one.number is not None
            and one.status == OK
            and one.invoked < before
            and one.number not in ledger
        }

    def forget(self, lost: set[int], before: int) -> None:
        """The lost, and who may have seen them without leaving a trace."""
        self.ended = [
            one
            for one in self.ended
            if one.number not in lost and (one.number is not None or one.invoked > before)
        ]

    def judge(self, before: float = math.inf) -> Iterator[Violation]:
        """Each anomaly, once."""
        judged = [one for one in self.ended if one.invoked < before]
        self.learn(judged)
        transactions = [
            Transaction(
                number,
                one.process,
                one.status,
                self.as_judged(one.ops),
                one.invoked,
                one.completed,
                one.isolation,
            )
            for number, one in enumerate(judged)
        ]
        verdict = check(transactions, workload=WORKLOAD, model=SNAPSHOTS)
        for anomaly in verdict.violations:
            if anomaly in self._told:
                continue
            self._told.add(anomaly)
            witness = verdict.anomalies[anomaly][0]
            explainer = Explainer(transactions, WORKLOAD)
            begun = {name: judged[at].invoked for at, name in names_of(witness).items()}
            who = ", ".join(f"{name} at event {position}" for name, position in begun.items())
            why = " ".join(explainer.reasons(witness))
            yield Violation(
                "isolation",
                f"{meaning(anomaly)}: {self.told_as}{why} ({who})",
                {"begun_at": list(begun.values()), "explained": explainer.explain(witness)},
                anomaly,
            )


class _Registers(_Lists):
    """The transactions over registers."""

    audited = "registers"
    told_as = "of registers, each as the list of its values: "

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[Any, dict[int, int]] = {}

    def ops_of(self, value: Any) -> tuple[Op, ...]:
        """The values are pairs: value and version."""
        return tuple(Op(kind, key, (item, version)) for kind, key, item, version in value)

    def learn(self, judged: Sequence[_Ended]) -> None:
        """Who made which version, of those that have not failed; who is in doubt goes last."""
        self._made = {}
        for status in (OK, INFO):
            for one in judged:
                for kind, key, (value, version) in one.ops if one.status == status else ():
                    if kind == "w" and version is not None:
                        self._made.setdefault(key, {}).setdefault(version, value)

    def as_judged(self, ops: tuple[Op, ...]) -> tuple[Op, ...]:
        """A write appends, and its version says what was there before."""
        told = []
        for kind, key, (value, version) in ops:
            if kind == "w":
                told.append(Op("append", key, value))
            if version is None:
                continue
            made = self._made.get(key, {})
            before = [made[number] for number in range(1, version) if number in made]
            if version == 0 and value == INITIAL:
                told.append(Op("r", key, ()))
            elif len(before) == max(version - 1, 0):
                told.append(Op("r", key, (*before, value)))
        return tuple(told)


class Isolation:
    """See the head of this file."""

    name = "isolation"

    def __init__(self) -> None:
        self._by_f: dict[str, _Lists] = {
            "txn": _Lists(),
            "rw": _Registers(),
        }
        self._invoked: dict[Process, int] = {}
        self._is_asynchronous = False
        self._crashed_at = 0
        """Position of the last crash that may have taken something; 0: none since the audit."""
        self._audited_at = 0

    def observe(self, event: Event) -> Iterable[Violation]:
        """Collect transactions; judge at audits."""
        if event.f in self._by_f or event.f == "audit":
            if event.type == "invoke":
                self._invoked[event.process] = event.index
            elif event.f == "audit":
                if event.type == "ok":
                    yield from self._audit(event)
            else:
                histories = self._by_f[event.f]
                histories.ended.append(self._ended(event, histories.ops_of(event.value)))
        elif event.f == "begin":
            self._is_asynchronous = may_lose(event)
        elif event.f == "reaction" and self._is_asynchronous and is_crash(event.value):
            self._crashed_at = event.index

    def _ended(self, event: Event, ops: tuple[Op, ...]) -> _Ended:
        status = OK if event.type == "ok" else FAIL if event.type == "fail" else INFO
        return _Ended(
            event.process,
            status,
            ops,
            self._invoked[event.process],
            event.index if status == OK else None,
            None if event.isolation == REPEATABLE_READ or event.f == "audit" else STATEMENTS,
            event.transaction,
        )

    def _audit(self, event: Event) -> Iterator[Violation]:
        ledger = set(event.value["ledger"])
        for histories in self._by_f.values():
            if histories.audited not in event.value:
                continue
            lost = histories.lost(ledger, self._crashed_at)
            if lost:
                yield from histories.judge(self._crashed_at)
                histories.forget(lost, self._crashed_at)
            histories.resolve(ledger, event.index)
            reads = [["r", *row] for row in event.value[histories.audited]]
            histories.ended.append(self._ended(event, histories.ops_of(reads)))
            yield from histories.judge()
        self._crashed_at = 0
        self._audited_at = event.index

    def finish(self) -> Iterable[Violation]:
        """What came after the last audit: a run that another checker ends does not end with one."""
        for histories in self._by_f.values():
            if histories.ended and histories.ended[-1].invoked > self._audited_at:
                yield from histories.judge(self._crashed_at or math.inf)
