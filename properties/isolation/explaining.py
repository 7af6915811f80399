"""Says in sentences why the transactions of a witness cannot have happened as the model promises.

A cycle is told as Elle tells it: first the transactions, then for each step why the one must have
come before the next, until the last comes before the first, which cannot be.

    Let
      T1 = process 0, 0 to 1, ok: [[:r 5 [1 2]] [:append 7 1]]
      T2 = process 1, 2 to 3, ok: [[:append 5 3] [:r 7 []]]
    Then
      T1 < T2, because T1 read list 5 as [1 2], and T2 appended 3 right after it.
      However, T2 < T1, because T2 read list 7 when it was empty, and T1 appended 1 to it: a
      contradiction.

Transactions are numbered within one explanation, in the order of the cycle; the positions are those
of the history (`:index`), and there each can be looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from properties.isolation.edn import to_edn
from properties.isolation.transactions import INFO, OK, READ, Op, Transaction
from properties.isolation.witnesses import Edge, Witness
from properties.isolation.wording import meaning, sentences_for

LONGEST_LIST: Final = 24
"""Values of a list that are shown, the first and the last ones."""
LONGEST_IN_SENTENCE: Final = 8


def names_of(witness: Witness) -> dict[int, str]:
    """T1, T2, ... in the order of the witness."""
    return {number: f"T{i}" for i, number in enumerate(dict.fromkeys(witness.transactions), 1)}


def described(transaction: Transaction) -> str:
    """Who, where, how it ended, and what it did."""
    end = "no end" if transaction.completed is None else str(transaction.completed)
    level = f" at {transaction.isolation}" if transaction.isolation is not None else ""
    return (
        f"process {to_edn(transaction.process)}, {transaction.invoked} to {end},"
        f" {transaction.status}{level}: {operations(transaction.ops)}"
    )


def operations(ops: Sequence[Op]) -> str:
    """As in an EDN history, long lists without their middle."""
    return "[" + " ".join(f"[:{op.f} {to_edn(op.key)} {shown(op.value)}]" for op in ops) + "]"


def shown(value: Any, longest: int = LONGEST_LIST) -> str:
    """A value; of a long list the ends."""
    if isinstance(value, tuple | list) and len(value) > longest:
        first = longest // 6
        head = " ".join(map(to_edn, value[:first]))
        tail = " ".join(map(to_edn, value[first - longest :]))
        return f"[{head} ... {tail}]"
    return to_edn(value)


class Explainer:
    """Explains the witnesses of one history. `transactions` are all of it, by id."""

    def __init__(self, transactions: Sequence[Transaction], workload: str) -> None:
        self._transactions = transactions
        self._is_list = workload == "list-append"
        self._thing = "list" if self._is_list else "register"
        self._wrote = "appended" if self._is_list else "wrote"
        self._names: Mapping[int, str] = {}
        self._longest_reads: dict[Any, Sequence[Any]] | None = None

    def explain(self, witness: Witness) -> list[str]:
        """Lines for a person who has only these."""
        self._names = names_of(witness)
        lines = ["Let"] if self._names else []
        for number, name in self._names.items():
            lines.append(f"  {name} = {described(self._transactions[number])}")
        lines.append("Then")
        return lines + [f"  {line}" for line in self.reasons(witness)]

    def reasons(self, witness: Witness) -> list[str]:
        """The same without the transactions, which are T1, T2, ... as the witness has them."""
        self._names = names_of(witness)
        return self._cycle(witness) if witness.edges else self._without_cycle(witness)

    def _cycle(self, witness: Witness) -> list[str]:
        lines = []
        for i, edge in enumerate(witness.edges, 1):
            source, target = self._names[edge.source], self._names[edge.target]
            is_last = i == len(witness.edges)
            begin = "However, " if is_last else ""
            end = ": a contradiction." if is_last else "."
            lines.append(f"{begin}{source} < {target}, because {self._reason(edge)}{end}")
        lines += [
            f"({name} was never answered, but what it wrote was read: it committed.)"
            for number, name in self._names.items()
            if self._transactions[number].status == INFO
        ]
        return lines

    def _reason(self, edge: Edge) -> str:
        reasons: dict[str, Callable[[Edge, str, str], str]] = {
            "ww": self._write_after_write,
            "wr": self._read_after_write,
            "rw": self._write_after_read,
            "process": self._process_order,
            "realtime": self._real_time,
        }
        return reasons[edge.kind](edge, self._names[edge.source], self._names[edge.target])

    def _write_after_write(self, edge: Edge, source: str, target: str) -> str:
        older, newer = map(to_edn, edge.values)
        if self._is_list:
            return (
                f"{target} appended {newer} to list {to_edn(edge.key)} after {source} had appended"
                f" {older}"
            )
        return f"{target} set register {to_edn(edge.key)} to {newer} after {source} had set {older}"

    def _read_after_write(self, edge: Edge, source: str, target: str) -> str:
        key, value = to_edn(edge.key), to_edn(edge.values[0])
        if self._is_list:
            read = self._read_of(edge.target, edge.key, edge.values[0])
            seen = f"as {read}" if read else f"with {value}"
            return f"{target} read list {key} {seen}, and {source} had appended {value}"
        return f"{target} read {value} from register {key}, which {source} had written"

    def _write_after_read(self, edge: Edge, source: str, target: str) -> str:
        key = to_edn(edge.key)
        old, new = edge.values
        if self._is_list:
            if old is None:
                return (
                    f"{source} read list {key} when it was empty, and {target} appended"
                    f" {to_edn(new)} to it"
                )
            read = self._read_of(edge.source, edge.key, old) or f"[... {to_edn(old)}]"
            return (
                f"{source} read list {key} as {read}, and {target} appended {to_edn(new)}"
                f" {self._how_after(edge)}"
            )
        if old is None:
            return (
                f"{source} read register {key} when nothing was written to it yet, and {target}"
                f" set it to {to_edn(new)}"
            )
        return (
            f"{source} read {to_edn(old)} from register {key}, which {target} overwrote with"
            f" {to_edn(new)}"
        )

    def _how_after(self, edge: Edge) -> str:
        """Whether somebody saw the one value follow the other."""
        old, new = edge.values
        longest = self._longest_read(edge.key)
        if new not in longest:
            return "later (no read has it)"
        at = longest.index(new)
        return "right after it" if at > 0 and longest[at - 1] == old else "later"

    def _longest_read(self, key: Any) -> Sequence[Any]:
        """What shows most of the order of a list."""
        if self._longest_reads is None:
            found: dict[Any, Sequence[Any]] = {}
            for transaction in self._transactions:
                if transaction.status == OK:
                    for f, of, value in transaction.ops:
                        if f == READ and value and len(value) > len(found.get(of, ())):
                            found[of] = value
            self._longest_reads = found
        return self._longest_reads.get(key, ())

    def _process_order(self, edge: Edge, source: str, target: str) -> str:
        process = to_edn(self._transactions[edge.source].process)
        return f"process {process} ran {source} before {target}"

    def _real_time(self, edge: Edge, source: str, target: str) -> str:
        over = self._transactions[edge.source].completed
        begun = self._transactions[edge.target].invoked
        return f"{source} was over (at {over}) before {target} began (at {begun})"

    def _read_of(self, number: int, key: Any, last: Any) -> str | None:
        """The list that the transaction read and that ends so."""
        for op in self._transactions[number].ops:
            if op.f == READ and op.key == key and op.value and op.value[-1] == last:
                return shown(op.value, LONGEST_IN_SENTENCE)
        return None

    def _without_cycle(self, witness: Witness) -> list[str]:
        """An anomaly that is not a cycle: what a transaction saw, and what it should have."""
        detail = {name: _fact(value) for name, value in witness.detail.items()}
        sentences = sentences_for(witness.anomaly, detail.keys())
        if not sentences:
            facts = ", ".join(f"{name} {value}" for name, value in detail.items())
            return [f"{meaning(witness.anomaly)} ({facts})."]
        names = list(self._names.values())
        detail |= {"thing": self._thing, "wrote": self._wrote, "names": " and ".join(names)}
        detail |= {f"T{i}": name for i, name in enumerate(names, 1)}
        detail.setdefault("T2", names[0] if names else "")
        return [sentence.format(**detail) for sentence in sentences]


def _fact(value: Any) -> str:
    """A detail of a witness as it stands in a sentence."""
    if isinstance(value, Mapping):
        return ", ".join(f"{to_edn(key)} ({count} times)" for key, count in value.items())
    return "nothing" if value is None else shown(value)
