"""The buffer pool with WAL, checkpoints and recovery, against a model that knows only the log.

After each crash, pages hold what the log says up to its end, which is not before what was flushed;
and at no moment is there a page in the files that is newer than the flushed log.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chaos.disk.profiles import PROFILES
from engine.errors import EngineError, PanicError
from engine.storage.buffer.page_writer import PageWriter
from engine.storage.page import set_page_lsn
from engine.storage.redo_context import RedoContext
from engine.storage.sync_requests import SyncRequests
from engine.types import RelFileLocator
from engine.wal import insert
from engine.wal.flush import WalFlusher
from engine.wal.record import WalRecord
from properties.models.redo import Broken, LoggedPages
from tests.engine.storage.buffer.crash_rig import LOCATORS, CrashRig, Died, Key

A_DAY = 86_400
CI_EXAMPLES = 40
relations = st.sampled_from(LOCATORS)
choice = st.integers(0, 1000)
seeds = st.none() | st.integers(0, 2**16)


class CrashMachine(RuleBasedStateMachine):
    """One process after the other over the same files."""

    def __init__(self) -> None:
        super().__init__()
        self.model: LoggedPages[Key] = LoggedPages()
        self.number = 0
        self.rig: CrashRig | None = None

    @initialize(profile=st.sampled_from([name for name in PROFILES if PROFILES[name].in_contract]))
    def begin(self, profile: str) -> None:
        self.rig = CrashRig(Path(tempfile.mkdtemp(prefix="crash-machine-")), profile)
        self.rig.start()

    def teardown(self) -> None:
        if self.rig is not None:
            self.rig.close()

    def the_rig(self) -> CrashRig:
        assert self.rig is not None
        return self.rig

    def alive(self, action: Callable[[CrashRig], object]) -> None:
        """Do it; who dies of it crashes, as one who was killed: by a fault, or by a PANIC."""
        try:
            action(self.the_rig())
        except (Died, PanicError):
            self.recover(None)

    def recover(self, seed: int | None, dies_after: int | None = None) -> None:
        """Crash, and start until it is up: the first start may be killed, or meet a bad fsync."""
        rig = self.the_rig()
        flushed = int(rig.instance.wal.flushed_lsn())
        rig.ends.clear()
        rig.crash(seed)
        rig.host.calls_left = dies_after
        while not self.has_started():
            rig.crash(seed)
        # What an earlier start has written behind the end that it had found is none of the model's.
        for (locator, block), number in self.model.recover(rig.ends[0], flushed).items():
            if rig.length(locator) <= block:
                raise Broken(f"page {block} of {locator.relation} is gone")
            found = rig.look(locator, block)
            if found != number:
                raise Broken(
                    f"page {block} of {locator.relation} has {found}, and the log says {number}"
                )

    def has_started(self) -> bool:
        try:
            self.the_rig().start()
        except Died:
            return False
        return True

    def a_page(self, locator: RelFileLocator, at: int) -> int | None:
        blocks = [block for one, block in self.model.pages if one == locator]
        return blocks[at % len(blocks)] if blocks else None

    def next_number(self) -> int:
        self.number += 1
        return self.number

    # a process at work ---------------------------------------------------------------------------

    @rule(locator=relations, count=st.integers(1, 12))
    def extend(self, locator: RelFileLocator, count: int) -> None:
        def act(rig: CrashRig) -> None:
            for _ in range(count):
                number = self.next_number()
                block, end = rig.extend(locator, number)
                self.model.change((locator, block), number, end)

        self.alive(act)

    @rule(locator=relations, at=choice)
    def change(self, locator: RelFileLocator, at: int) -> None:
        block = self.a_page(locator, at)
        if block is not None:
            number = self.next_number()

            def act(rig: CrashRig) -> None:
                self.model.change((locator, block), number, rig.change(locator, block, number))

            self.alive(act)

    @rule(locator=relations, at=choice, byte=st.integers(1, 255))
    def hint(self, locator: RelFileLocator, at: int, byte: int) -> None:
        block = self.a_page(locator, at)
        if block is not None:
            self.alive(lambda rig: rig.hint(locator, block, byte))

    @rule(locator=relations, at=choice)
    def look(self, locator: RelFileLocator, at: int) -> None:
        block = self.a_page(locator, at)
        if block is not None:

            def act(rig: CrashRig) -> None:
                assert rig.look(locator, block) == self.model.pages[locator, block]

            self.alive(act)

    @rule()
    def commit(self) -> None:
        self.alive(lambda rig: rig.instance.wal.flush(rig.instance.wal.insert_lsn()))

    @rule()
    def walwriter(self) -> None:
        self.alive(lambda rig: rig.instance.wal.background_flush())

    @rule()
    def bgwriter(self) -> None:
        self.alive(lambda rig: rig.instance.buffers.background_sweep())

    @rule()
    def write_all(self) -> None:
        """As far as a checkpoint gets before it syncs."""
        self.alive(lambda rig: rig.instance.buffers.flush_all())

    @rule()
    def checkpoint(self) -> None:
        self.alive(lambda rig: rig.checkpoint())

    # misfortunes ---------------------------------------------------------------------------------

    @rule(calls=st.integers(0, 40))
    def will_die(self, calls: int) -> None:
        self.the_rig().host.calls_left = calls

    @rule(syncs=st.integers(0, 3))
    def will_fail_to_sync(self, syncs: int) -> None:
        self.the_rig().host.syncs_left = syncs

    @rule(seed=seeds)
    def crash(self, seed: int | None) -> None:
        self.recover(seed)

    @rule(locator=relations, at=choice, seed=st.integers(0, 2**16))
    def power_loss_while_writing(self, locator: RelFileLocator, at: int, seed: int) -> None:
        """The page changed last is written and not synced: some of its sectors may stay."""
        self.change(locator, at)
        self.write_all()
        self.recover(seed)

    @rule(seed=seeds, calls=st.integers(0, 30))
    def crash_in_recovery(self, seed: int | None, calls: int) -> None:
        self.recover(seed, calls)

    # the laws ------------------------------------------------------------------------------------

    @precondition(lambda self: self.rig is not None)
    @invariant()
    def no_page_is_newer_than_the_flushed_log(self) -> None:
        rig = self.the_rig()
        flushed = int(rig.instance.wal.flushed_lsn())
        newest = max(rig.lsns_in_files(), default=0)
        if newest > flushed:
            raise Broken(f"a page has the LSN {newest:X}, the log is flushed up to {flushed:X}")


@pytest.mark.timeout(A_DAY)
def test_after_each_crash_pages_are_what_the_log_says() -> None:
    usual = settings.default or settings()
    examples = min(usual.max_examples, CI_EXAMPLES) if usual.derandomize else usual.max_examples
    run_state_machine_as_test(
        CrashMachine, settings=settings(max_examples=examples, stateful_step_count=30)
    )


Patch = Callable[[pytest.MonkeyPatch], None]


def _instead(owner: Any, name: str, wrong: Any) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, wrong)


def _the_log_is_not_flushed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = PageWriter._finish_batch

    def early(self: PageWriter, batch: Any) -> None:
        self.flush_wal = lambda lsn: None
        finish(self, batch)

    monkeypatch.setattr(PageWriter, "_finish_batch", early)


def _no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = insert.choose_images
    monkeypatch.setattr(
        insert, "choose_images", lambda blocks, redo, _, info: choose(blocks, redo, 0, info)
    )


def _replayed_pages_stay_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(self: RedoContext, buffer: int, record: WalRecord) -> None:
        set_page_lsn(self.page(buffer), record.end_lsn)
        self._unlock_release(buffer)

    monkeypatch.setattr(RedoContext, "changed", changed)


WRONG: dict[str, Patch] = {
    "a page is written before its WAL is flushed": _the_log_is_not_flushed_first,
    "the WAL is written and not synced": _instead(WalFlusher, "_sync", lambda self: None),
    "a checkpoint syncs no file": _instead(SyncRequests, "_sync_pending", lambda self, tag: []),
    "no page is logged as a whole": _no_images,
    "what was replayed stays clean": _replayed_pages_stay_clean,
}


@pytest.mark.parametrize("plant", WRONG.values(), ids=WRONG)
def test_a_wrong_pool_or_log_is_found(plant: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    search = settings(
        max_examples=2000, stateful_step_count=30, database=None, derandomize=True,
        report_multiple_bugs=False, phases=[Phase.generate],
    )  # fmt: skip
    with pytest.raises((AssertionError, EngineError)):
        run_state_machine_as_test(CrashMachine, settings=search)
