"""Power losses as data: how what the disk keeps is drawn, and how that is told."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.disk.operations import Kind, Operation
from chaos.disk.profiles import PROFILES
from chaos.faults.power import STYLES, Drawing
from chaos.losses import FATES, Loss, differing_image, ranges, with_images
from chaos.plan import NOTHING_KEPT
from chaos.report.disk import fate, loss_line, what

SITE = "engine/storage/smgr.py:168: Smgr.write"


def disk_of(profile: str) -> Disk:
    """A file with two pages, one of them rewritten; a name that is to take its place."""
    disk = Disk(Image.empty(), PROFILES[profile])
    for number, (kind, path, other, data) in enumerate(
        [
            (Kind.CREATE, "data", "", b""),
            (Kind.WRITE, "data", "", bytes(16384)),
            (Kind.FSYNC, "data", "", b""),
            (Kind.FSYNC_DIRECTORY, "", "", b""),
            (Kind.WRITE, "data", "", b"x" * 8192),
            (Kind.CREATE, "new", "", b""),
            (Kind.RENAME, "new", "data", b""),
        ]
    ):
        inode = {"data": 5, "new": 6, "": 1}[path]
        disk.apply(Operation(number, 100 + number, kind, inode, path, other, 0, data, SITE, "me"))
    return disk


def loss_of(disk: Disk, drawing: Drawing) -> Loss:
    """The power goes, and that is drawn."""
    choice = drawing.choose(disk)
    return Loss(
        *(1, 0, 107, 5_000_000, drawing.style, disk.profile, drawing.pending, choice),
        *(drawing.states, disk.cached().digest(), disk.crash(choice).digest()),
    )


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_each_choice_that_is_drawn_is_legal(profile: str) -> None:
    disk, styles = disk_of(profile), Counter[str]()
    for seed in range(200):
        drawing = Drawing("", random.Random(seed))
        assert disk.legal(drawing.choose(disk))
        styles[drawing.style] += 1
    assert styles.keys() <= STYLES.keys()
    assert styles.keys() >= {"nothing kept", "everything kept", "any"}
    if profile == "strict":
        assert styles.keys() == STYLES.keys()


def test_the_same_seed_keeps_the_same() -> None:
    images = {
        seed: [loss_of(disk_of("strict"), Drawing("", random.Random(seed))).image for _ in range(2)]
        for seed in range(20)
    }
    assert all(one == other for one, other in images.values())
    assert len({one for one, _ in images.values()}) >= 5


def test_a_plan_may_say_that_nothing_is_kept() -> None:
    for seed in range(20):
        disk = disk_of("strict")
        loss = loss_of(disk, Drawing(NOTHING_KEPT, random.Random(seed)))
        assert loss.image == disk.durable().digest()
        assert loss.summary()["lost"] == loss.summary()["pending"] == 3


def test_what_is_told_of_a_loss_is_each_operation_and_its_fate() -> None:
    disk = disk_of("strict")
    drawing = Drawing("", random.Random(0))
    drawing.choose(disk)
    choice = disk.choose([0b1011, 1, 1])
    assert choice is not None
    loss = Loss(
        *(2, 1, 107, 5_000_000, "any", disk.profile, drawing.pending, choice),
        *(disk.count_states(), disk.cached().digest(), disk.crash(choice).digest()),
    )
    told = loss.to_object()
    assert [file["path"] for file in told["files"]] == ["data", "new"]
    write, rename = told["files"][0]["operations"]
    (create,) = told["files"][1]["operations"]
    assert (write["step"], write["role"], write["site"]) == (104, "me", SITE)
    assert (write["fate"], write["kept_atoms"], write["atoms"]) == ("torn", "0-1,3", 16)
    assert (rename["kind"], rename["from"], rename["fate"]) == ("rename", "new", "kept")
    assert create["fate"] == "kept"
    assert sum(told[name] for name in FATES) == told["pending"] == 3
    assert told["legal_states"] == str(disk.count_states())
    assert [what(one) for one in (write, rename, create)] == [
        "write 8192 at 0",
        "rename from new",
        "create",
    ]
    assert fate(write, 512) == "torn: of 16 sectors of 512 bytes kept 0-1,3"
    assert loss_line(told) == "3 operations not durable: 1 torn, 2 kept (drawn: any)"


def test_ranges_are_short_and_whole() -> None:
    cases = {0: "", 0b1: "0", 0b11: "0-1", 0b10110: "1-2,4", 0xFFFF: "0-15", 0x10000: ""}
    assert {mask: ranges(mask, 16) for mask in cases} == cases


def test_the_images_are_part_of_the_digest() -> None:
    assert with_images("ab", []) == "ab"
    digests = {with_images(*case) for case in (("ab", ["1"]), ("ab", ["2"]), ("cd", ["1"]))}
    assert len(digests | {"ab", "cd"}) == 5


def test_the_first_image_that_differs_is_named() -> None:
    one = [{"cycle": 1, "step": 5, "image": "a"}, {"cycle": 2, "step": 9, "image": "b"}]
    assert differing_image(one, one) is None
    said = "the power loss at step 9, in cycle 2"
    assert differing_image(one, one[:1]) == said
    assert differing_image(one, [one[0], one[1] | {"image": "c"}]) == said
