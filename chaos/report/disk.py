"""The report about power losses: per file, the operations that were not durable, and their fate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from chaos.losses import FATES, KEPT, LOST, TORN
from chaos.report.words import counted

STYLES: Final = {LOST: "red", TORN: "yellow", KEPT: "green"}
COLUMNS: Final = ("operation", "step", "by", "what", "fate", "where in the code")


class DiskReport:
    """Writes to a console. With `everything` also files of which all was kept."""

    def __init__(self, console: Console, *, everything: bool = False) -> None:
        self._console = console
        self._everything = everything

    def show(self, found: Mapping[str, Any], losses: Sequence[Mapping[str, Any]]) -> None:
        """All these losses of what `read_losses` has read."""
        standing = "in contract" if found["in_contract"] else "OUT OF CONTRACT"
        self._say(f"profile {found['profile']} ({standing}): {found['says']}")
        for loss in losses:
            self._loss(loss, int(found["atom"]))

    def _loss(self, loss: Mapping[str, Any], atom: int) -> None:
        again = f", again in recovery ({loss['which']})" if loss["which"] else ""
        self._say("")
        self._say(
            f"cycle {loss['cycle']}{again}: power lost at step {loss['step']},"
            f" {loss['time_us'] / 1e6:.6f} s; {loss_line(loss)}",
            style="bold",
        )
        shown = [file for file in loss["files"] if self._everything or not _is_whole(file)]
        for file in shown:
            self._say("")
            self._file(file, atom)
        if hidden := len(loss["files"]) - len(shown):
            self._say(f"{counted(hidden, 'file')} of which all was kept: --all shows them")

    def _file(self, file: Mapping[str, Any], atom: int) -> None:
        self._say(file["path"] or ".", style="bold")
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1))
        for name in COLUMNS:
            is_number = name in ("operation", "step")
            table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
        for one in file["operations"]:
            table.add_row(
                *(str(one["number"]), str(one["step"]), one["role"], what(one)),
                fate(one, atom),
                one["site"],
                style=STYLES[one["fate"]],
            )
        self._console.print(table, highlight=False)

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _is_whole(file: Mapping[str, Any]) -> bool:
    return all(one["fate"] == KEPT for one in file["operations"])


def loss_line(loss: Mapping[str, Any]) -> str:
    """`12 operations were not durable: 3 lost, 1 torn, 8 kept (any)`."""
    if not loss["pending"]:
        return "all was durable"
    fates = Counter({name: int(loss[name]) for name in FATES})
    told = ", ".join(f"{count} {name}" for name, count in fates.items() if count)
    return f"{counted(loss['pending'], 'operation')} not durable: {told} (drawn: {loss['style']})"


def what(one: Mapping[str, Any]) -> str:
    """`write 8192 at 16384`, `rename from pg_wal/xlogtemp.17`."""
    kind = str(one["kind"]).replace("_", " ")
    if "bytes" in one:
        return f"{kind} {one['bytes']} at {one['offset']}"
    if "from" in one:
        return f"{kind} from {one['from']}"
    return f"{kind} to {one['size']} bytes" if "size" in one else kind


def fate(one: Mapping[str, Any], atom: int) -> str:
    """`torn: of 16 sectors of 512 bytes kept 0-3,7`."""
    told = str(one["fate"])
    if one["fate"] == TORN:
        kept = one["kept_atoms"] or "none"
        told += f": of {counted(one['atoms'], 'sector')} of {atom} bytes kept {kept}"
        if "size_kept" in one:
            told += ", and the new size" if one["size_kept"] else ", the new size lost"
    return told
