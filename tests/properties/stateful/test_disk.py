"""The disk model leaves nothing that a plain disk objects to; a wrong model, or a disk that lies,
does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chaos.disk import model
from chaos.disk.changes import Change, apply_change
from chaos.disk.content import Editor
from chaos.disk.operations import DiskError
from chaos.disk.profiles import PROFILES
from chaos.disk.state import State
from properties.stateful.disk import disk_machine

IN_CONTRACT = [name for name, profile in PROFILES.items() if profile.in_contract]
A_DAY = 86_400
CI_EXAMPLES = 15
SEARCH = settings(
    max_examples=3000, stateful_step_count=15, database=None, derandomize=True, deadline=None,
    report_multiple_bugs=False, phases=[Phase.generate],
)  # fmt: skip


@pytest.mark.timeout(A_DAY)
@pytest.mark.parametrize("profile", IN_CONTRACT)
def test_nothing_is_left_that_cannot_be(profile: str) -> None:
    usual = settings.default or settings()
    examples = min(usual.max_examples, CI_EXAMPLES) if usual.derandomize else usual.max_examples
    run_state_machine_as_test(
        disk_machine(profile), settings=settings(max_examples=examples, stateful_step_count=15)
    )


def test_a_disk_that_acknowledges_what_is_not_durable_is_found() -> None:
    with pytest.raises(AssertionError, match="lying-fsync"):
        run_state_machine_as_test(disk_machine("lying-fsync"), settings=SEARCH)


def _one_byte_too_far(editor: Editor, change: Change, mask: int, atom: int, clips: bool) -> None:
    apply_change(editor, change, mask, atom + 1, clips)


WRONG: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "fsync is forgotten": (State, "_synced", lambda self, file: None),
    "syncs of directories are forgotten": (State, "_names_synced", lambda self, file: []),
    "sectors are cut in the wrong place": (model, "apply_change", _one_byte_too_far),
}


@pytest.mark.parametrize(("owner", "name", "wrong"), WRONG.values(), ids=WRONG)
def test_a_wrong_model_is_found(
    owner: Any, name: str, wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises((AssertionError, DiskError)):
        run_state_machine_as_test(disk_machine("strict"), settings=SEARCH)
