"""The pool against a dictionary: whatever is done, a page has what was last put into it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.shmem.lwlock import EXCLUSIVE
from engine.storage.page import init_page
from engine.types import RelFileLocator, RelFork
from tests.engine.storage.pages import finish_change, look, number_of
from tests.engine.storage.rig import BACKEND, CHECKPOINTER, Rig

MAIN = RelFork.MAIN
RELATIONS = [RelFileLocator(1663, 5, 16384 + number) for number in range(5)]
relations = st.sampled_from(RELATIONS)
choice = st.integers(0, 10_000)
slots = st.sampled_from([BACKEND, CHECKPOINTER])


class PoolMachine(RuleBasedStateMachine):
    """Two processes (in one, by turns) over 16 buffers, against lists of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="pool"))
        self.rig = Rig(self.root)
        self.processes = {slot: self.rig.process(slot) for slot in (BACKEND, CHECKPOINTER)}
        self.model: dict[RelFileLocator, list[int]] = {}
        self.held: list[tuple[int, int, RelFileLocator, int]] = []
        self.number = 0

    @initialize()
    def make_one(self) -> None:
        self.create(RELATIONS[0], BACKEND)

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(locator=relations, slot=slots)
    def create(self, locator: RelFileLocator, slot: int) -> None:
        if locator not in self.model:
            self.processes[slot].smgr.create(locator, MAIN)
            self.model[locator] = []

    @rule(locator=relations, slot=slots, count=st.integers(1, 10))
    def extend(self, locator: RelFileLocator, slot: int, count: int) -> None:
        if locator not in self.model:
            return
        process = self.processes[slot]
        for _ in range(count):
            buffer = process.buffers.extend(locator, MAIN)
            assert process.buffers.tag(buffer)[2] == len(self.model[locator])
            init_page(process.buffers.page(buffer))
            self.number += 1
            finish_change(process, buffer, self.number)
            self.model[locator].append(self.number)

    @rule(locator=relations, slot=slots, at=choice)
    def change(self, locator: RelFileLocator, slot: int, at: int) -> None:
        pages = self.model.get(locator)
        if pages:
            block = at % len(pages)
            process = self.processes[slot]
            buffer = process.buffers.read(locator, MAIN, block)
            process.buffers.lock(buffer, EXCLUSIVE)
            self.number += 1
            finish_change(process, buffer, self.number)
            pages[block] = self.number

    @rule(locator=relations, slot=slots, at=choice)
    def read(self, locator: RelFileLocator, slot: int, at: int) -> None:
        pages = self.model.get(locator)
        if pages:
            assert look(self.processes[slot], at % len(pages), locator) == pages[at % len(pages)]

    @precondition(lambda self: len(self.held) < 10)
    @rule(locator=relations, slot=slots, at=choice)
    def pin(self, locator: RelFileLocator, slot: int, at: int) -> None:
        pages = self.model.get(locator)
        if pages:
            block = at % len(pages)
            buffer = self.processes[slot].buffers.read(locator, MAIN, block)
            self.held.append((slot, buffer, locator, block))

    @precondition(lambda self: self.held)
    @rule(which=choice)
    def unpin(self, which: int) -> None:
        slot, buffer, _, _ = self.held.pop(which % len(self.held))
        self.processes[slot].buffers.release(buffer)

    @rule()
    def checkpoint(self) -> None:
        process = self.processes[CHECKPOINTER]
        process.sync.pre_checkpoint()
        process.buffers.flush_all()
        process.sync.process()
        process.sync.post_checkpoint()
        for locator, pages in self.model.items():
            data = self.rig.file(locator)
            on_disk = [number_of(data[at : at + 8192]) for at in range(0, len(data), 8192)]
            assert on_disk == pages

    @rule()
    def sweep(self) -> None:
        self.processes[CHECKPOINTER].buffers.background_sweep()

    @rule(locator=relations, slot=slots)
    def drop(self, locator: RelFileLocator, slot: int) -> None:
        if locator in self.model and not any(held[2] == locator for held in self.held):
            process = self.processes[slot]
            process.buffers.drop_relation(locator)
            process.smgr.unlink_relation(locator, is_redo=True)
            for other in self.processes.values():
                other.smgr.close(locator)
            del self.model[locator]

    @rule(locator=relations, slot=slots, at=choice)
    def truncate(self, locator: RelFileLocator, slot: int, at: int) -> None:
        pages = self.model.get(locator)
        if pages is not None and not any(held[2] == locator for held in self.held):
            length = at % (len(pages) + 1)
            process = self.processes[slot]
            process.buffers.drop_from(locator, MAIN, length)
            process.smgr.truncate(locator, MAIN, length)
            del pages[length:]

    @invariant()
    def pinned_buffers_keep_their_pages(self) -> None:
        for slot, buffer, locator, block in self.held:
            process = self.processes[slot]
            assert process.buffers.tag(buffer) == (locator, MAIN, block)
            assert number_of(process.buffers.page(buffer)) == self.model[locator][block]

    @invariant()
    def lengths_agree(self) -> None:
        for locator, pages in self.model.items():
            assert self.processes[BACKEND].smgr.nblocks(locator, MAIN) == len(pages)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(deadline=None, max_examples=40, stateful_step_count=60)
