"""A machine on a real directory: what it does there is logged, and the disk must follow.

Its laws are those that everybody who uses the model builds on.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chaos.disk import model
from chaos.disk.changes import Change, File, apply_change
from chaos.disk.choice import Choice
from chaos.disk.content import Content, Editor
from chaos.disk.image import Image, file_number
from chaos.disk.log import START, LogWriter, read_log
from chaos.disk.model import Disk
from chaos.disk.names import Leaf
from chaos.disk.operations import DiskError, Kind
from chaos.disk.profiles import PROFILES
from chaos.disk.rules import Sequential
from chaos.disk.state import State

DIRECTORIES = ("", "d", "e")
NAMES = tuple(f"{parent}/{name}".lstrip("/") for parent in DIRECTORIES for name in "abc")

some_data = st.binary(min_size=1, max_size=30) | st.sampled_from([b"p" * 600, b"q" * 9000])
seeds = st.integers(0, 2**32)


class Machine(RuleBasedStateMachine):
    """One run. Each rule does what an engine's host does: the effect, then the record."""

    profile = "strict"

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="disk-machine-"))
        self.root = self.top / "data"
        self.root.mkdir()
        for directory in DIRECTORIES[1:]:
            (self.root / directory).mkdir(mode=0o700)
        for name in ("a", "d/a"):
            (self.root / name).write_bytes(b"from the beginning")
        self.log = LogWriter(self.top / "log")
        self.position = START
        self.disk = Disk(Image.read(self.root), PROFILES[self.profile])
        self.name_is_synced: dict[str, int] = {}
        """Which inode every power loss must leave under a name, if it has a content."""
        self.content_synced: dict[int, bytes] = {}
        """And what of it."""
        self.unsynced: dict[str, list[str]] = {}
        """Which directories must be synced before a name is."""
        self.failed: dict[int, None] = {}

        self.all_is_synced()

    def all_is_synced(self) -> None:
        """It was found so on the disk."""
        inodes = {path: (self.root / path).stat().st_ino for path in self.files()}
        self.name_is_synced = inodes
        self.content_synced = {
            inode: (self.root / path).read_bytes() for path, inode in inodes.items()
        }
        self.failed.clear()
        self.unsynced = {}

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.top)

    def done(
        self, kind: Kind, path: str, other: str = "", offset: int = 0, data: bytes = b"",
        inode: int = 0,
    ) -> None:  # fmt: skip
        """The effect is there: log it, and let the disk hear of it."""
        inode = inode or (self.root / (other or path)).stat().st_ino
        self.log.append(kind, 0, inode, offset, path, other, data)
        operations, self.position = read_log(self.top / "log", self.position)
        for operation in operations:
            self.disk.apply(operation)

    def files(self) -> list[str]:
        return [name for name in NAMES if (self.root / name).exists()]

    def pick(self, choice: int) -> str:
        files = self.files()
        return files[choice % len(files)]

    def changed(self, path: str) -> None:
        self.content_synced.pop((self.root / path).stat().st_ino, None)

    # what a host does ------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES))
    def create(self, name: str) -> None:
        if not (self.root / name).exists():
            os.close(os.open(self.root / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            inode = (self.root / name).stat().st_ino
            self.failed.pop(inode, None)
            self.content_synced.pop(inode, None)
            self.name_is_synced.pop(name, None)
            self.unsynced[name] = [name.rpartition("/")[0]]
            self.done(Kind.CREATE, name)

    @precondition(files)
    @rule(choice=st.integers(0, 99), offset=st.integers(0, 1500), data=some_data)
    def write(self, choice: int, offset: int, data: bytes) -> None:
        path = self.pick(choice)
        with (self.root / path).open("r+b") as file:
            file.seek(offset)
            file.write(data)
        self.changed(path)
        self.done(Kind.WRITE, path, offset=offset, data=data)

    @precondition(files)
    @rule(choice=st.integers(0, 99), size=st.integers(0, 1500))
    def truncate(self, choice: int, size: int) -> None:
        path = self.pick(choice)
        os.truncate(self.root / path, size)
        self.changed(path)
        self.done(Kind.TRUNCATE, path, offset=size)

    @precondition(files)
    @rule(choice=st.integers(0, 99), name=st.sampled_from(NAMES))
    def rename(self, choice: int, name: str) -> None:
        path = self.pick(choice)
        if path != name:
            os.rename(self.root / path, self.root / name)
            self.name_is_synced.pop(path, None)
            self.name_is_synced.pop(name, None)
            self.unsynced[name] = [one.rpartition("/")[0] for one in (path, name)]
            self.done(Kind.RENAME, path, name)

    @precondition(files)
    @rule(choice=st.integers(0, 99))
    def unlink(self, choice: int) -> None:
        path = self.pick(choice)
        inode = (self.root / path).stat().st_ino
        (self.root / path).unlink()
        self.name_is_synced.pop(path, None)
        self.done(Kind.UNLINK, path, inode=inode)

    @precondition(files)
    @rule(choice=st.integers(0, 99))
    def fsync(self, choice: int) -> None:
        path = self.pick(choice)
        self.done(Kind.FSYNC, path)
        inode = (self.root / path).stat().st_ino
        if inode not in self.failed:
            self.content_synced[inode] = (self.root / path).read_bytes()

    @precondition(files)
    @rule(choice=st.integers(0, 99))
    def fsync_failed(self, choice: int) -> None:
        path = self.pick(choice)
        self.failed[(self.root / path).stat().st_ino] = None
        self.done(Kind.FSYNC_FAILED, path)

    @rule(directory=st.sampled_from(DIRECTORIES))
    def fsync_directory(self, directory: str) -> None:
        self.done(Kind.FSYNC_DIRECTORY, directory)
        for path in self.files():
            left = [one for one in self.unsynced.get(path, []) if one != directory]
            self.unsynced[path] = left
            if not left:
                self.name_is_synced[path] = (self.root / path).stat().st_ino

    @rule(seed=seeds)
    def crash_and_restart(self, seed: int) -> None:
        image = self.disk.crash(self.disk.draw(random.Random(seed)))
        image.write(self.root)
        assert Image.read(self.root).digest() == image.digest()
        self.disk.restart(image.found_in(self.root))
        self.all_is_synced()

    # the laws --------------------------------------------------------------------------------

    @invariant()
    def a_kill_leaves_what_is_there(self) -> None:
        assert self.disk.cached() == Image.read(self.root)

    @invariant()
    def what_was_synced_survives_every_power_loss(self) -> None:
        if not PROFILES[self.profile].in_contract:
            return
        chance = random.Random(7)
        choices = [self.disk.all_lost(), self.disk.all_kept()]
        for choice in [*choices, *(self.disk.draw(chance) for _ in range(4))]:
            left = self.disk.crash(choice).files
            for path, inode in self.name_is_synced.items():
                assert path in left
                assert left[path].data == self.content_synced.get(inode, left[path].data)

    @invariant()
    def what_is_wholly_kept_is_what_is_there(self) -> None:
        if not self.failed:
            assert self.disk.crash(self.disk.all_kept()) == self.disk.cached()

    @invariant()
    def a_draw_is_legal_and_its_digest_is_that_of_its_image(self) -> None:
        choice = self.disk.draw(random.Random(8))
        assert self.disk.legal(choice)
        assert Choice.from_object(choice.to_object()) == choice
        image = self.disk.crash(choice)
        anew = Image(image.directories, image.files, image.links)
        assert self.disk.crash_digest(choice) == image.digest() == anew.digest()

    @invariant()
    def there_is_a_state_and_at_most_one_choice_more_than_bits(self) -> None:
        bits = sum((one.full & ~one.must).bit_count() for one in self.disk.pending)
        assert 1 <= self.disk.count_states() <= 2**bits


class StrictMachine(Machine):
    profile = "strict"


class Ext4Machine(Machine):
    profile = "ext4-ordered"


class XfsMachine(Machine):
    profile = "xfs"


class SequentialMachine(Machine):
    profile = "sequential"


class LyingMachine(Machine):
    profile = "lying-fsync"


class AtomicMachine(Machine):
    profile = "atomic-8k"


MACHINES = (
    StrictMachine, Ext4Machine, XfsMachine, SequentialMachine, LyingMachine, AtomicMachine
)  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
def test_the_disk_follows_a_machine_and_keeps_its_laws(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=25))


def _a_truncation_is_lost(
    editor: Editor, change: Change, mask: int, atom: int, clips: bool
) -> None:
    if change.is_write:
        apply_change(editor, change, mask, atom, clips)


def _the_digest_of_a_file_stays(self: Leaf, content: Content) -> int:
    if self.content is None:
        self.content, self.number = content, file_number(self.path, content)
    return self.number


def _a_sequence_that_starts_anywhere(
    self: Sequential, pending: Sequence[Change], chance: random.Random
) -> list[int]:
    return [change.full if chance.random() < 0.5 else 0 for change in pending]


def _nothing_is(self: State, directory: File) -> list[Change]:
    return []


WRONG: list[tuple[str, type[Machine], object, str, object]] = [
    ("fsync is forgotten", StrictMachine, State, "_synced", lambda self, file: None),
    ("syncs of directories are forgotten", StrictMachine, State, "_names_synced", _nothing_is),
    ("truncations are lost", StrictMachine, model, "apply_change", _a_truncation_is_lost),
    ("digests go stale", StrictMachine, Leaf, "number_for", _the_digest_of_a_file_stays),
    (
        "draws are not legal",
        SequentialMachine,
        Sequential,
        "draw",
        _a_sequence_that_starts_anywhere,
    ),
]


@pytest.mark.parametrize(
    ("machine", "owner", "name", "wrong"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_wrong_disk_breaks_a_law(
    machine: type[Machine], owner: object, name: str, wrong: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(owner, name, wrong)
    quiet = settings(
        max_examples=100, stateful_step_count=25, database=None, derandomize=True,
        report_multiple_bugs=False, phases=[Phase.generate],
    )  # fmt: skip
    with pytest.raises((AssertionError, DiskError)):
        run_state_machine_as_test(machine, settings=quiet)
