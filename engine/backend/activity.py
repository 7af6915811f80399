"""What others see of a session: its row of pg_stat_activity and its title in `ps`."""

from __future__ import annotations

from typing import Final

from engine.host.api import Host
from engine.shmem.procs import ProcTable, SessionState

_IDLE: Final = {
    b"I": (SessionState.IDLE, "idle"),
    b"T": (SessionState.IDLE_IN_TRANSACTION, "idle in transaction"),
    b"E": (SessionState.IDLE_IN_FAILED_TRANSACTION, "idle in transaction (aborted)"),
}
_TRANSACTION_TAGS: Final = {
    "TRANS_STMT_BEGIN": "BEGIN",
    "TRANS_STMT_START": "START TRANSACTION",
    "TRANS_STMT_COMMIT": "COMMIT",
    "TRANS_STMT_ROLLBACK": "ROLLBACK",
}
_TAGS: Final = {
    "SelectStmt": "SELECT",
    "InsertStmt": "INSERT",
    "UpdateStmt": "UPDATE",
    "DeleteStmt": "DELETE",
    "CreateStmt": "CREATE TABLE",
    "DropStmt": "DROP",
    "VariableSetStmt": "SET",
    "VariableShowStmt": "SHOW",
    "VacuumStmt": "VACUUM",
    "CheckPointStmt": "CHECKPOINT",
}


class Activity:
    """Keeps the slot and the title current. `who` is `user database host`."""

    def __init__(self, host: Host, procs: ProcTable, slot: int, who: str) -> None:
        self._host = host
        self._procs = procs
        self._slot = slot
        self._prefix = f"postgres: {who} "
        self._title = ""
        self._doing = ""
        self._is_idle = False

    def running(self, text: str) -> None:
        """A statement was received."""
        procs, slot = self._procs, self._slot
        now = self._host.now_us()
        procs.set_text(slot, "query", text)
        procs.query_start_us[slot] = now
        procs.state_change_us[slot] = now
        procs.state[slot] = SessionState.ACTIVE

    def executing(self, kind: str, detail: str = "") -> None:
        """A statement of that kind runs."""
        if kind == "TransactionStmt":
            tag = _TRANSACTION_TAGS.get(detail, "TRANSACTION")
        else:
            tag = _TAGS.get(kind) or kind.removesuffix("Stmt").upper()
        self._show(tag)

    def idle(self, status: bytes) -> None:
        """The answer is complete; `status` is that of ReadyForQuery."""
        state, title = _IDLE[status]
        procs, slot = self._procs, self._slot
        procs.state[slot] = state
        procs.state_change_us[slot] = self._host.now_us()
        procs.set_wait_event(slot, "Client", "ClientRead")
        self._is_idle = True
        self._show(title)

    def woken(self) -> None:
        """The client sent something."""
        if self._is_idle:
            self._is_idle = False
            self._procs.set_wait_event(self._slot, "", "")

    def rename(self, application_name: str) -> None:
        """The client named itself anew."""
        self._procs.set_text(self._slot, "application_name", application_name)

    def waiting(self, is_waiting: bool) -> None:
        """A wait for a lock begins or ends."""
        self._host.set_title(f"{self._title} waiting" if is_waiting else self._title)

    def _show(self, doing: str) -> None:
        if doing != self._doing:
            self._doing = doing
            self._title = self._prefix + doing
            self._host.set_title(self._title)
