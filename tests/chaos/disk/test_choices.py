"""Choices are data: they can be kept, read back, refused (DISK-7) and told."""

from __future__ import annotations

import json
import random

import pytest

from chaos.disk.choice import Choice
from chaos.disk.operations import DiskError
from chaos.disk.profiles import PROFILES
from tests.chaos.disk.bench import Bench


def a_bench(profile: str = "strict") -> Bench:
    bench = Bench(profile, files={"a": bytes(8192), "d/b": b"2"}, directories=("d",))
    bench.write("a", 0, b"x" * 8192)
    bench.create("c")
    bench.write("c", 0, b"y" * 600)
    bench.rename("c", "d/b")
    bench.truncate("a", 100)
    return bench


@pytest.mark.parametrize("profile", list(PROFILES))
def test_a_choice_comes_back_from_json_and_leaves_the_same(profile: str) -> None:
    bench, other = a_bench(profile), a_bench(profile)
    chance = random.Random(1)
    for _ in range(50):
        choice = bench.disk.draw(chance)
        read = Choice.from_object(json.loads(json.dumps(choice.to_object())))
        assert read == choice
        assert other.disk.crash(read) == bench.disk.crash(choice)


def test_a_choice_of_few_exceptions_is_short_however_much_is_pending() -> None:
    bench = Bench(files={"a": b""})
    for place in range(1000):
        bench.write("a", place, b"x")
    choice = bench.disk.only_lost(500)
    assert choice is not None
    assert len(json.dumps(choice.to_object())) < 100


def test_a_choice_for_another_moment_is_refused() -> None:
    bench = a_bench()
    choice = bench.disk.all_kept()
    bench.write("a", 0, b"1")
    for use in (bench.disk.legal, bench.disk.crash, bench.disk.crash_digest, bench.disk.describe):
        with pytest.raises(DiskError, match=r"made for 5 pending operations .* here are 6"):
            use(choice)


def test_a_choice_for_another_profile_is_refused() -> None:
    choice = a_bench("sector-4k").disk.all_kept()
    with pytest.raises(DiskError, match="not the same disk"):
        a_bench("strict").disk.legal(choice)


def test_a_choice_that_is_not_legal_leaves_no_image() -> None:
    disk = a_bench("ext4-ordered").disk
    names = [place for place, one in enumerate(disk.pending) if one.operation.kind.name == "RENAME"]
    choice = Choice(disk.all_lost().of, len(disk.pending), 0, ((names[0], 1),))
    assert not disk.legal(choice)
    with pytest.raises(DiskError, match="ext4-ordered does not allow"):
        disk.crash(choice)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"of": "x", "count": 2, "kept_before": 0},
        {"of": "x", "count": 2, "kept_before": 0, "masks": [[0]]},
        {"of": "x", "count": 2, "kept_before": 0, "masks": [[0, "zz"]]},
        {"of": "x", "count": 2, "kept_before": 0, "masks": [[2, "1"]]},
        {"of": "x", "count": 2, "kept_before": 0, "masks": [[-1, "1"]]},
        {"of": "x", "count": 2, "kept_before": 0, "masks": [[1, "1"], [0, "1"]]},
        {"of": "x", "count": 2, "kept_before": 0, "masks": [[1, "-1"]]},
    ],
)
def test_what_is_no_choice_is_refused(found: object) -> None:
    with pytest.raises(DiskError, match="not a choice"):
        Choice.from_object(found)


def test_masks_with_bits_that_do_not_exist_are_not_legal() -> None:
    disk = a_bench().disk
    assert not disk.legal(Choice(disk.all_lost().of, 5, 0, ((1, 2),)))
    assert not disk.legal(Choice(disk.all_lost().of, 5, 6))
    assert disk.torn(0, [16]) is None
    assert disk.torn(0, [-1]) is None


def test_what_is_durable_already_cannot_be_lost() -> None:
    bench = Bench("ext4-ordered", files={"a": b"old"}, atom=4)
    bench.create("t")
    bench.write("t", 0, b"12345678")
    bench.write("t", 0, b"xx")
    bench.rename("t", "a")
    bench.create("b")
    bench.fsync("b")
    [pending] = bench.disk.pending
    assert pending.operation.data == b"xx"
    assert bench.file("a") == [b"12345678", b"xx345678"]


def test_the_ready_made_choices_are_what_they_say() -> None:
    disk = a_bench().disk
    full = [one.full for one in disk.pending]
    assert [disk.all_lost().masks, disk.all_kept().kept_before] == [(), 5]
    for place in range(5):
        lost, kept, prefix = disk.only_lost(place), disk.only_kept(place), disk.prefix(place)
        assert lost == Choice(disk.all_lost().of, 5, 5, ((place, 0),))
        assert kept == Choice(disk.all_lost().of, 5, 0, ((place, full[place]),))
        assert prefix == Choice(disk.all_lost().of, 5, place)
        assert disk.choose([*full[:place], *[0] * (5 - place)]) is not None


def test_torn_leaves_the_others_as_asked() -> None:
    bench = a_bench()
    page = bytes(512) + b"x" * 512 + bytes(8192 - 1024)
    assert bench.left(bench.disk.torn(0, [1], others="lost"))["a"] == page
    assert bench.left(bench.disk.torn(0, [1], others="kept"))["a"] == bytes(100)
    before = bench.left(bench.disk.torn(2, [0], others="before"))
    assert before["c"] == b"y" * 512
    assert before["a"] == b"x" * 8192


def test_a_choice_is_told_per_file_with_places_in_the_engine() -> None:
    bench = a_bench()
    choice = bench.disk.torn(0, [0, 1, 3])
    assert choice is not None
    told = bench.disk.describe(choice)
    assert json.loads(json.dumps(told)) == told
    assert [file["path"] for file in told] == ["a", "d/b"]
    torn, truncated = told[0]["operations"]
    assert torn == {
        "number": 0, "step": 0, "kind": "WRITE", "path": "a", "site": "", "role": "",
        "fate": "torn", "offset": 0, "length": 8192, "atoms": 16,
        "kept_bytes": [[0, 1024], [1536, 2048]],
    }  # fmt: skip
    assert (truncated["kind"], truncated["fate"], truncated["size"]) == ("TRUNCATE", "kept", 100)
    created, written, renamed = told[1]["operations"]
    assert (created["kind"], created["path"], created["fate"]) == ("CREATE", "c", "kept")
    assert (written["kind"], written["size"]) == ("WRITE", "kept")
    assert (renamed["path"], renamed["other"]) == ("c", "d/b")


def test_a_file_without_a_name_is_told_by_its_last_one() -> None:
    bench = Bench(files={"a": b"1"})
    bench.rename("a", "b")
    bench.unlink("b")
    [file] = bench.disk.describe(bench.disk.all_lost())
    assert file["path"] == "b"
    assert [one["fate"] for one in file["operations"]] == ["lost", "lost"]
