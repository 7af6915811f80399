"""The machine of the disk model: operations as a host logs them, power losses, and a plain disk
that objects to what cannot be left.

All is in memory, so an example takes milliseconds. `Disk` (chaos/disk/model.py) is what is tested;
`PlainDisk` (properties/models/disk.py) shares nothing with it but what an operation is.
"""

from __future__ import annotations

import random
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chaos.disk.content import Content
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import Kind, Operation
from chaos.disk.profiles import PROFILES
from properties.models.disk import PlainDisk

NAMES: Final = ("a", "b", "c")
ROOT: Final = 1
DRAWS: Final = 3

some_data = st.binary(min_size=1, max_size=12) | st.sampled_from([b"p" * 600, b"q" * 1300])
names = st.sampled_from(NAMES)
present = st.runner().flatmap(lambda machine: st.sampled_from(sorted(machine.plain.names)))


class DiskMachine(RuleBasedStateMachine):
    """One directory on a disk of the class's profile."""

    profile: ClassVar[str] = "strict"

    def __init__(self) -> None:
        super().__init__()
        profile = PROFILES[self.profile]
        self.plain = PlainDisk(profile.atom)
        self.disk = Disk(_image({}, {}), profile)
        self.next_inode = ROOT + 1
        self.number = 0

    @initialize(content=some_data)
    def begin(self, content: bytes) -> None:
        """A file is there, and durable."""
        self._restart({"a": content})

    def _restart(self, image: dict[str, bytes]) -> None:
        inodes = {}
        for name in image:
            inodes[name] = self.next_inode
            self.next_inode += 1
        self.disk.restart(_image(image, inodes))
        self.plain.restart(inodes, {inodes[name]: content for name, content in image.items()})

    def _done(self, kind: Kind, inode: int, name: str = "", **more: Any) -> None:
        self.disk.apply(Operation(self.number, self.number, kind, inode, name, **more))
        self.number += 1

    def _number_of(self, name: str) -> int:
        return self.plain.names[name]

    # operations --------------------------------------------------------------------------------

    @rule(name=names)
    def create(self, name: str) -> None:
        """A name that is free gets a new file."""
        if name not in self.plain.names:
            inode, self.next_inode = self.next_inode, self.next_inode + 1
            self.plain.create(name, inode)
            self._done(Kind.CREATE, inode, name)

    @precondition(lambda self: self.plain.names)
    @rule(name=present, offset=st.integers(0, 1200), data=some_data)
    def write(self, name: str, offset: int, data: bytes) -> None:
        """Anywhere, behind the end too."""
        self.plain.write(self._number_of(name), offset, data)
        self._done(Kind.WRITE, self._number_of(name), name, offset=offset, data=data)

    @precondition(lambda self: self.plain.names)
    @rule(name=present, size=st.integers(0, 1300))
    def truncate(self, name: str, size: int) -> None:
        """Shorter or longer."""
        self.plain.truncate(self._number_of(name), size)
        self._done(Kind.TRUNCATE, self._number_of(name), name, offset=size)

    @precondition(lambda self: self.plain.names)
    @rule(name=present, new=names)
    def rename(self, name: str, new: str) -> None:
        """Perhaps over another."""
        if name != new:
            inode = self._number_of(name)
            self.plain.rename(name, new)
            self._done(Kind.RENAME, inode, name, other=new)

    @precondition(lambda self: self.plain.names)
    @rule(name=present)
    def unlink(self, name: str) -> None:
        """The file goes with its only name."""
        inode = self._number_of(name)
        self.plain.unlink(name)
        self._done(Kind.UNLINK, inode, name)

    @precondition(lambda self: self.plain.names)
    @rule(name=present)
    def fsync(self, name: str) -> None:
        """Of a file."""
        self.plain.fsync(self._number_of(name))
        self._done(Kind.FSYNC, self._number_of(name), name)

    @precondition(lambda self: self.plain.names)
    @rule(name=present)
    def fsync_failed(self, name: str) -> None:
        """It said so, and dropped what was to be written."""
        self.plain.fsync_failed(self._number_of(name))
        self._done(Kind.FSYNC_FAILED, self._number_of(name), name)

    @rule()
    def fsync_directory(self) -> None:
        """Of the one there is."""
        self.plain.fsync_directory()
        self._done(Kind.FSYNC_DIRECTORY, ROOT)

    @rule(seed=st.integers(0, 2**16))
    def lose_power(self, seed: int) -> None:
        """And go on from what was left."""
        image = self.disk.crash(self.disk.draw(random.Random(seed)))
        self._restart({name: content.data for name, content in image.files.items()})

    # laws --------------------------------------------------------------------------------------

    @invariant()
    def what_programs_read_is_what_they_wrote(self) -> None:
        """A kill leaves that."""
        found = {name: content.data for name, content in self.disk.cached().files.items()}
        files = self.plain.files
        expected = {name: bytes(files[one].cached) for name, one in self.plain.names.items()}
        if found != expected:
            raise AssertionError(f"cached are {found}, expected {expected}")

    @invariant()
    def nothing_is_left_that_cannot_be(self) -> None:
        """Whatever the disk chooses."""
        disk, chance = self.disk, random.Random(self.number)
        choices = [disk.all_lost(), disk.all_kept()]
        for choice in [*choices, *(disk.draw(chance) for _ in range(DRAWS))]:
            image = {name: content.data for name, content in disk.crash(choice).files.items()}
            objections = self.plain.objections(image)
            if objections:
                raise AssertionError(
                    f"the profile {self.profile} with {choice} leaves {image}: "
                    + "; ".join(objections)
                )


def disk_machine(profile: str) -> type[DiskMachine]:
    """The machine for one profile."""
    return type(f"Disk_{profile.replace('-', '_')}", (DiskMachine,), {"profile": profile})


def _image(files: dict[str, bytes], inodes: dict[str, int]) -> Image:
    contents = {name: Content.of(data) for name, data in files.items()}
    return Image({"": 0o700}, contents, inodes={"": ROOT, **inodes})
