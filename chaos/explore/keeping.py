"""The bundle of a violation: what is needed to look at one crash image, and at what is wrong.

summary.json    the violation, its causes, versions, and the command that explores again
history.jsonl   the history that was judged: the run until the power went, and the audit behind it
disk.json       which operations were lost, kept and torn, for `chaos disk show`
data-crash/     the crash image, not yet recovered
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from chaos.bundle import HISTORY, new_directory, write_summary
from chaos.explore.exploring import Explorer, Group
from chaos.history import write_history
from chaos.losses import FILE, Loss, write_losses

CRASH: Final = "data-crash"
STYLE: Final = "explored"


def keep(
    out: Path,
    explorer: Explorer,
    group: Group,
    seed: int,
    without: frozenset[int],
    command: str,
) -> Path:
    """Write the bundle of one group of violations; OSError."""
    state = group.state
    choice = group.minimal.choice if group.minimal is not None else state.choice
    path = new_directory(out, f"explore-seed-{seed}")
    image = explorer.image(state.place, choice, without)
    image.write(path / CRASH)
    found = explorer.recover(state.place, choice, without)
    write_history(path / HISTORY, explorer.checker.history(state.place, found))
    disk = explorer.disk(state.place, without)
    events = explorer.recorded.history_at(state.place)
    loss = Loss(
        cycle=0,
        which=0,
        step=_step(explorer, state.place),
        time_us=events[-1].time_us if events else 0,
        style=STYLE,
        profile=explorer.profile,
        pending=disk.pending,
        choice=choice,
        states=disk.count_states(),
        before=disk.cached().digest(),
        image=image.digest(),
    )
    write_losses(path / FILE, [loss])
    group.bundle = str(path)
    write_summary(path, group.to_object(explorer.recorded), command)
    return path


def _step(explorer: Explorer, place: int) -> int:
    operations = explorer.recorded.operations
    return operations[place - 1].step if place else 0
