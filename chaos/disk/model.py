"""The disk: what is durable, what is pending, and what a power loss may leave.

It is fed one operation after the other, in log order, and knows at each moment three states of the
tree: the *cached* one, which programs read and which a kill leaves; the *durable* one, in which
all that is pending is lost; and between them a *crash* for each choice that the profile allows.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, Literal

from chaos.disk.changes import Change, File, apply_change
from chaos.disk.choice import Choice, Pending
from chaos.disk.content import Content, Editor
from chaos.disk.describing import described
from chaos.disk.image import Image, as_digest
from chaos.disk.names import Tree, cached_tree, numbers_of
from chaos.disk.operations import DiskError, Operation
from chaos.disk.state import State

Others = Literal["kept", "lost", "before"]
"""What becomes of the other operations: all kept, all lost, or those before it kept."""

_STATES_KEPT: Final = 2048


class _View:
    """The pending changes of one moment, numbered."""

    __slots__ = ("dirty", "fingerprint", "list", "names", "public")

    def __init__(self, pending: Iterable[Change], profile: str) -> None:
        self.list = list(pending)
        self.dirty: dict[File, tuple[int, int]] = {}
        self.names: list[int] = []
        text = [profile]
        for place, change in enumerate(self.list):
            change.place = place
            operation = change.operation
            text.append(f"{operation.number}.{change.full:x}.{change.must:x}")
            if change.entry is None:
                first, _ = self.dirty.get(change.file, (place, place))
                self.dirty[change.file] = (first, place)
            else:
                self.names.append(place)
        self.fingerprint = blake2b(",".join(text).encode(), digest_size=8).hexdigest()
        self.public = tuple(change.as_pending() for change in self.list)


class Disk(State):
    """A disk that began as `base`, whose inode numbers are those of the log."""

    _view_now: _View | None = None

    def apply(self, operation: Operation) -> None:
        """The next operation of the log; DiskError when it cannot have happened to this disk."""
        self._view_now = None
        super().apply(operation)

    def restart(self, image: Image) -> None:
        """After a power loss: this is what is on disk, nothing is pending.

        Its inode numbers are those found now (`Image.found_in`).
        """
        self._view_now = None
        super().restart(image)

    @property
    def _view(self) -> _View:
        if self._view_now is None:
            self._view_now = _View(self._pending.values(), self.profile.name)
        return self._view_now

    @property
    def pending(self) -> Sequence[Pending]:
        """What is not durable, in log order."""
        return self._view.public

    # the states ------------------------------------------------------------------------------

    def durable(self) -> Image:
        """What a power loss leaves when all that is pending is lost."""
        return self.crash(self.all_lost())

    def cached(self) -> Image:
        """What programs read now, and what a kill leaves."""
        tree = cached_tree(self._root)
        return _image(tree, {leaf.file: leaf.file.cache.content() for leaf in tree.leaves})

    def crash(self, choice: Choice) -> Image:
        """What a power loss with this choice leaves; DiskError when the choice is not legal."""
        tree, contents = self._state(choice)
        return _image(tree, contents)

    def crash_digest(self, choice: Choice) -> str:
        """The digest of `crash(choice)`, without the image."""
        tree, contents = self._state(choice)
        return as_digest(numbers_of(tree, contents))

    def _state(self, choice: Choice) -> tuple[Tree, dict[File, Content]]:
        if not self.legal(choice):
            raise DiskError(f"the profile {self.profile.name} does not allow this choice")
        view = self._view
        special: dict[File, None] = {}
        for place, _ in choice.masks:
            special[view.list[place].file] = None
        contents = {}
        masks = dict(choice.masks)
        for file, (first, last) in view.dirty.items():
            if file not in special and choice.kept_before <= first:
                key: tuple[int, ...] = _NONE_KEPT
            elif file not in special and choice.kept_before > last:
                key = _ALL_KEPT
            else:
                key = tuple([_mask(choice, masks, change) for change in file.changes])
            content = file.states.get(key)
            if content is None:
                content = self._content(file, key)
            contents[file] = content
        return self._names.tree(self._kept_names(choice, masks)), contents

    def _content(self, file: File, key: tuple[int, ...]) -> Content:
        """What the file holds when its changes are kept so; remembered."""
        editor = Editor(file.durable)
        for index, change in enumerate(file.changes):
            if change.is_settled or key is _NONE_KEPT:
                mask = change.must
            else:
                mask = change.full if key is _ALL_KEPT else key[index]
            if mask:
                apply_change(editor, change, mask, self.profile.atom, self._clips)
        if len(file.states) >= _STATES_KEPT:
            file.states.clear()
        content = file.states[key] = editor.content()
        return content

    def _kept_names(self, choice: Choice, masks: dict[int, int]) -> int:
        """Bit by bit for `Names.changes`."""
        if choice.kept_before == choice.count and not masks:
            return (1 << len(self._names.changes)) - 1
        kept = 0
        for index, change in enumerate(self._names.changes):
            if change.is_settled or _mask(choice, masks, change):
                kept |= 1 << index
        return kept

    def describe(self, choice: Choice) -> list[dict[str, Any]]:
        """Per file, what became of each pending operation: see `chaos/disk/describing.py`."""
        if not self.legal(choice):
            raise DiskError(f"the profile {self.profile.name} does not allow this choice")
        masks = dict(choice.masks)
        fates = [(change, _mask(choice, masks, change)) for change in self._view.list]
        return described(fates, self.profile.atom)

    # choices ---------------------------------------------------------------------------------

    def legal(self, choice: Choice) -> bool:
        """Whether the profile allows it; DiskError when it was made for another list (DISK-7)."""
        view = self._view
        if choice.of != view.fingerprint or choice.count != len(view.list):
            raise DiskError(
                f"this choice was made for {choice.count} pending operations ({choice.of}), and "
                f"here are {len(view.list)} ({view.fingerprint}): not the same disk at one moment"
            )
        for place, mask in choice.masks:
            change = view.list[place]
            if mask & ~change.full or change.must & ~mask:
                return False
        if not 0 <= choice.kept_before <= choice.count:
            return False
        if self._rules.allows_any or (not choice.masks and choice.kept_before in (0, choice.count)):
            return True
        masks = dict(choice.masks)
        return self._rules.allows(view.list, [_mask(choice, masks, change) for change in view.list])

    def count_states(self) -> int:
        """How many choices are legal: exactly that. Several of them may leave the same image."""
        return self._rules.count(self._view.list)

    def draw(self, chance: random.Random) -> Choice:
        """A legal choice."""
        masks = self._rules.draw(self._view.list, chance)
        return self._choice(0, enumerate(masks))

    def all_lost(self) -> Choice:
        """What is not durable is lost."""
        return self._choice(0)

    def all_kept(self) -> Choice:
        """All is kept but what a failed sync dropped."""
        return self._choice(len(self._view.list))

    def only_lost(self, place: int) -> Choice | None:
        """One operation of `pending` is lost; None when the profile does not allow that."""
        return self._if_legal(self._choice(len(self._view.list), [(place, 0)]))

    def only_kept(self, place: int) -> Choice | None:
        """One operation of `pending` is kept; None when the profile does not allow that."""
        return self._if_legal(self._choice(0, [(place, self._view.list[place].full)]))

    def prefix(self, count: int) -> Choice | None:
        """The first `count` are kept; None when the profile does not allow that."""
        return self._if_legal(self._choice(count))

    def torn(
        self, place: int, atoms: Iterable[int], size: bool = False, others: Others = "kept"
    ) -> Choice | None:
        """Of one write these atoms (from 0) are kept, and of its bit for the size `size`.

        None when the profile does not allow that, or there is no such atom.
        """
        change = self._view.list[place]
        mask = int(size) << change.atoms
        for atom in atoms:
            if not 0 <= atom < change.atoms:
                return None
            mask |= 1 << atom
        before = {"kept": len(self._view.list), "lost": 0, "before": place}[others]
        return self._if_legal(self._choice(before, [(place, mask)]))

    def choose(self, masks: Sequence[int]) -> Choice | None:
        """A mask for each pending operation; None when the profile does not allow that."""
        if len(masks) != len(self._view.list):
            raise DiskError(f"{len(masks)} masks for {len(self._view.list)} pending operations")
        return self._if_legal(self._choice(0, enumerate(masks)))

    def _choice(self, kept_before: int, masks: Iterable[tuple[int, int]] = ()) -> Choice:
        view = self._view
        special = []
        for place, mask in masks:
            change = view.list[place]
            mask |= change.must
            if mask != (change.full if place < kept_before else change.must):
                special.append((place, mask))
        return Choice(view.fingerprint, len(view.list), kept_before, tuple(special))

    def _if_legal(self, choice: Choice) -> Choice | None:
        return choice if self.legal(choice) else None


_NONE_KEPT: Final = (-1,)
_ALL_KEPT: Final = (-2,)


def _mask(choice: Choice, masks: dict[int, int], change: Change) -> int:
    if change.is_settled:
        return change.must
    mask = masks.get(change.place)
    if mask is None:
        return change.full if change.place < choice.kept_before else change.must
    return mask


def _image(tree: Tree, contents: dict[File, Content]) -> Image:
    files = {leaf.path: contents.get(leaf.file) or leaf.file.durable for leaf in tree.leaves}
    return Image(tree.directories, files, tree.links, digest=as_digest(numbers_of(tree, contents)))
