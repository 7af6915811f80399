"""Bugs planted into the engine from outside, in the processes of a test and nowhere else.

A `sitecustomize` in a directory of PYTHONPATH, which the launcher inherits, replaces functions once
their modules are imported.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

_SITECUSTOMIZE: Final = '''"""Planted for a test."""

import sys
from importlib.machinery import PathFinder


{patches}


class Planter:
    def find_spec(self, name, path=None, target=None):
        if name not in PATCHES:
            return None
        spec = PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def execute_and_plant(module):
            execute(module)
            PATCHES[name](module)

        spec.loader.exec_module = execute_and_plant
        return spec


sys.meta_path.insert(0, Planter())
'''

ANSWER_BEFORE_FLUSH: Final = """
def plant(module):
    commit = module.OutcomeRecorder.commit

    def early(self, xid, dropped, *, is_synchronous):
        return commit(self, xid, dropped, is_synchronous=False)

    module.OutcomeRecorder.commit = early

PATCHES = {"engine.transaction.outcome": plant}
"""

REDO_SKIPS_EVERY_TENTH: Final = """
def plant(module):
    make = module.RedoLoop.__init__

    def make_skipping(self, *arguments):
        make(self, *arguments)
        count = 0

        def skipping(redo):
            def maybe(record, context):
                nonlocal count
                count += 1
                if count % 10:
                    redo(record, context)

            return maybe

        self._redo = [skipping(redo) for redo in self._redo]

    module.RedoLoop.__init__ = make_skipping

PATCHES = {"engine.recovery.redo": plant}
"""

NO_RESTART_WITH_A_BUFFER_LOCK: Final = """
SPARE = 3

def plant_locks(module):
    LWLocks = module.LWLocks

    def marking(method):
        def mark(self, lock, *arguments):
            got = method(self, lock, *arguments)
            if lock >= module.BUFFER_CONTENT and got is not False:
                self._words[(lock << 2) + SPARE] = self._slot
            return got

        return mark

    release = LWLocks.release

    def unmark(self, lock):
        if lock >= module.BUFFER_CONTENT:
            self._words[(lock << 2) + SPARE] = 0
        release(self, lock)

    for name in ("acquire", "try_acquire", "acquire_or_wait"):
        setattr(LWLocks, name, marking(getattr(LWLocks, name)))
    LWLocks.release = unmark

def plant_postmaster(module):
    on_crash = module.Postmaster._on_crash

    def overlook(self, gone, ended):
        words = self._shared.lock_words.cast("I")
        if gone.slot is None or gone.slot not in list(words[SPARE::4]):
            on_crash(self, gone, ended)

    module.Postmaster._on_crash = overlook

PATCHES = {
    "engine.shmem.lwlock": plant_locks,
    "engine.processes.postmaster.server": plant_postmaster,
}
"""

NEXT_XID_FORGOTTEN: Final = """
def plant(module):
    module.XidShared.advance_past = lambda self, xid: None

PATCHES = {"engine.transaction.xids": plant}
"""

STEPS_BY_CHANCE: Final = """
import os

def plant(module):
    commit = module.OutcomeRecorder.commit

    def unsteady(self, xid, dropped, *, is_synchronous):
        for _ in range(os.urandom(1)[0] % 4):
            self._host.sleep(0.1)
        return commit(self, xid, dropped, is_synchronous=is_synchronous)

    module.OutcomeRecorder.commit = unsteady

PATCHES = {"engine.transaction.outcome": plant}
"""
"""No bug of a database, but the end of all determinism."""

FSYNC_TRIED_AGAIN: Final = """
def plant(module):
    from engine.errors import PanicError

    sync = module.SyncRequests._sync

    def insist(self, tag, **how):
        try:
            return sync(self, tag, **how)
        except PanicError:
            return sync(self, tag, **how)

    module.SyncRequests._sync = insist

PATCHES = {"engine.storage.sync_requests": plant}
"""
"""A failed fsync is tried again, and then it is all right: what PostgreSQL did until 2018."""

WRITE_ERRORS_SWALLOWED: Final = """
def plant(module):
    write = module.Smgr.write

    def carelessly(self, *arguments):
        try:
            write(self, *arguments)
        except module.SqlError as error:
            if error.sqlstate not in ("58030", "53100"):
                raise

    module.Smgr.write = carelessly

PATCHES = {"engine.storage.smgr": plant}
"""
"""A page that could not be written is taken for written."""

BUGS: Final = {
    "answer_before_flush": ANSWER_BEFORE_FLUSH,
    "redo_skips_every_tenth": REDO_SKIPS_EVERY_TENTH,
    "no_restart_with_a_buffer_lock": NO_RESTART_WITH_A_BUFFER_LOCK,
    "next_xid_forgotten": NEXT_XID_FORGOTTEN,
}
"""The four that the first runs had to find."""


def plant(directory: Path, patches: str) -> str:
    """Write patches into a directory; the PYTHONPATH with which they are in force."""
    directory.mkdir(parents=True, exist_ok=True)
    text = _SITECUSTOMIZE.format(patches=textwrap.dedent(patches).strip())
    (directory / "sitecustomize.py").write_text(text, encoding="utf-8")
    return str(directory)
