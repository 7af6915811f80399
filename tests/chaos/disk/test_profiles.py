"""What the other profiles add to the strict one, or take from it; a journal is forced (DISK-6)."""

from __future__ import annotations

import random

import pytest

from chaos.disk.profiles import PROFILES, Order
from tests.chaos.disk.bench import Bench

JOURNALS = ("ext4-ordered", "xfs")
HONEST = [name for name, profile in PROFILES.items() if profile.in_contract]
IN_ORDER = (*JOURNALS, "sequential")


def test_all_profiles_say_what_they_are_and_why() -> None:
    assert list(PROFILES) == [
        "strict", "ext4-ordered", "xfs", "sector-4k", "atomic-8k", "sequential", "lying-fsync",
        "fsync-fails-and-drops",
    ]  # fmt: skip
    for profile in PROFILES.values():
        assert profile.summary.endswith(".")
        assert len(profile.source) > 40
    assert [one.name for one in PROFILES.values() if not one.in_contract] == ["lying-fsync"]
    assert [one.name for one in PROFILES.values() if one.fsync_fails] == ["fsync-fails-and-drops"]


@pytest.mark.parametrize("profile", IN_ORDER)
def test_names_survive_as_a_prefix(profile: str) -> None:
    bench = Bench(profile)
    for name in ("a", "b", "c"):
        bench.create(name)
    assert bench.possible_names() == [[], ["a"], ["a", "b"], ["a", "b", "c"]]


@pytest.mark.parametrize("profile", IN_ORDER)
def test_a_sync_of_a_file_makes_its_name_and_all_names_before_it_durable(profile: str) -> None:
    bench = Bench(profile)
    for name in ("a", "b", "c"):
        bench.create(name)
    bench.fsync("b")
    assert bench.possible_names() == [["a", "b"], ["a", "b", "c"]]


@pytest.mark.parametrize("profile", IN_ORDER)
def test_a_sync_of_a_directory_makes_all_names_before_its_last_one_durable(profile: str) -> None:
    bench = Bench(profile, directories=("d",))
    bench.create("a")
    bench.create("d/b")
    bench.create("c")
    bench.fsync_directory("d")
    assert bench.possible_names() == [
        ["a", "c", "d/", "d/b"],
        ["a", "d/", "d/b"],
    ]


@pytest.mark.parametrize("profile", JOURNALS)
def test_a_sync_of_a_file_that_did_not_change_forces_no_log(profile: str) -> None:
    bench = Bench(profile, files={"a": b"1"})
    bench.create("b")
    bench.fsync("a")
    assert len(bench.possible()) == 2


@pytest.mark.parametrize("profile", JOURNALS)
def test_overwrites_in_place_are_lost_freely_and_torn(profile: str) -> None:
    bench = Bench(profile, files={"a": b"12345678", "b": b"1"}, atom=4)
    bench.write("a", 0, b"abcdefgh")
    bench.rename("b", "c")
    assert len(bench.possible()) == 4 * 2


@pytest.mark.parametrize("profile", JOURNALS)
def test_a_sync_of_another_file_makes_no_overwrite_durable(profile: str) -> None:
    bench = Bench(profile, files={"a": b"1", "b": b"2"})
    bench.write("a", 0, b"x")
    bench.write("b", 0, b"y")
    bench.fsync("b")
    assert bench.possible() == [{"a": b"1", "b": b"y"}, {"a": b"x", "b": b"y"}]


@pytest.mark.parametrize("profile", JOURNALS)
def test_a_file_grows_only_together_with_its_data(profile: str) -> None:
    bench = Bench(profile, files={"a": b"1234"}, atom=4)
    bench.write("a", 4, b"abcdefgh")
    assert bench.file("a") == [b"1234", b"1234abcdefgh"]
    assert bench.disk.torn(0, [0]) is None
    assert bench.disk.torn(0, [], size=True) is None


@pytest.mark.parametrize("profile", JOURNALS)
def test_a_file_grows_by_a_prefix_of_its_appends(profile: str) -> None:
    bench = Bench(profile, files={"a": b""}, atom=4)
    for offset in (0, 4, 8):
        bench.write("a", offset, b"abcd")
    assert bench.file("a") == [b"", b"abcd", b"abcd" * 2, b"abcd" * 3]


@pytest.mark.parametrize("profile", JOURNALS)
def test_a_grown_size_is_not_kept_before_the_names_that_were_logged_before_it(
    profile: str,
) -> None:
    bench = Bench(profile, files={"a": b"", "b": b""})
    bench.rename("b", "c")
    bench.write("a", 0, b"1")
    assert bench.possible() == [{"a": b"", "b": b""}, {"a": b"", "c": b""}, {"a": b"1", "c": b""}]


@pytest.mark.parametrize("profile", JOURNALS)
def test_a_name_is_kept_though_the_append_before_it_is_lost(profile: str) -> None:
    bench = Bench(profile, files={"a": b"", "b": b""})
    bench.write("a", 0, b"1")
    bench.rename("b", "c")
    assert {"a": b"", "c": b""} in bench.possible()


@pytest.mark.parametrize("profile", JOURNALS)
def test_an_overwrite_behind_the_size_that_was_kept_is_not_seen(profile: str) -> None:
    bench = Bench(profile, files={"a": b"1234"}, atom=4)
    bench.write("a", 4, b"abcd")
    bench.write("a", 2, b"xxxx")
    assert bench.file("a") == [
        b"1234", b"1234abcd", b"1234xxcd", b"12xx", b"12xxabcd", b"12xxxxcd"
    ]  # fmt: skip


@pytest.mark.parametrize(("profile", "may_be_empty"), [("ext4-ordered", False), ("xfs", True)])
def test_a_rename_over_a_name_takes_the_data_along_on_ext4_only(
    profile: str, may_be_empty: bool
) -> None:
    bench = Bench(profile, files={"a": b"old"})
    bench.create("t")
    bench.write("t", 0, b"new")
    bench.rename("t", "a")
    assert ({"a": b""} in bench.possible()) is may_be_empty
    assert {"a": b"new"} in bench.possible()
    assert {"a": b"old"} in bench.possible()


def test_a_rename_to_a_new_name_takes_no_data_along_on_ext4_either() -> None:
    bench = Bench("ext4-ordered")
    bench.create("t")
    bench.write("t", 0, b"new")
    bench.rename("t", "a")
    assert {"a": b""} in bench.possible()


def test_on_ext4_a_log_forced_past_a_rename_over_a_name_makes_the_new_data_durable() -> None:
    bench = Bench("ext4-ordered", files={"a": b"old"})
    bench.create("t")
    bench.write("t", 0, b"new")
    bench.rename("t", "a")
    bench.create("b")
    bench.fsync("b")
    assert bench.possible() == [{"a": b"new", "b": b""}]


@pytest.mark.parametrize(("profile", "atoms"), [("sector-4k", 2), ("atomic-8k", 1)])
def test_a_page_is_torn_at_the_sector_of_the_profile(profile: str, atoms: int) -> None:
    bench = Bench(profile, files={"a": bytes(16384)})
    bench.write("a", 8192, b"x" * 8192)
    [pending] = bench.disk.pending
    assert pending.atoms == atoms
    assert len(bench.possible()) == 2**atoms


def test_sequential_keeps_a_prefix_of_everything_and_cuts_the_last_write_short() -> None:
    bench = Bench("sequential", files={"a": b"12345678"}, atom=4)
    bench.write("a", 0, b"abcdefgh")
    bench.create("b")
    bench.write("a", 0, b"x")
    assert bench.possible() == [
        {"a": b"12345678"},
        {"a": b"abcd5678"},
        {"a": b"abcdefgh"},
        {"a": b"abcdefgh", "b": b""},
        {"a": b"xbcdefgh", "b": b""},
    ]
    assert bench.disk.count_states() == 5


def test_sequential_makes_all_durable_that_was_issued_before_the_last_write_synced() -> None:
    bench = Bench("sequential", files={"a": b"1", "b": b"2"})
    bench.write("a", 0, b"x")
    bench.write("b", 0, b"y")
    bench.fsync("b")
    assert bench.possible() == [{"a": b"x", "b": b"y"}]


def test_a_lying_device_loses_what_was_synced_until_its_cache_has_passed_it_on() -> None:
    size = PROFILES["lying-fsync"].cached_operations
    bench = Bench("lying-fsync", files={"a": b"1", "b": b"2"})
    bench.write("a", 0, b"x")
    bench.fsync("a")
    for _ in range(size):
        assert bench.durable["a"] == b"1"
        bench.write("b", 0, b"y")
    assert bench.durable["a"] == b"x"


def test_a_lying_device_does_not_make_durable_what_was_never_synced() -> None:
    bench = Bench("lying-fsync", files={"a": b"1", "b": b"2"})
    bench.write("a", 0, b"x")
    for _ in range(PROFILES["lying-fsync"].cached_operations * 2):
        bench.write("b", 0, b"y")
        bench.fsync("b")
    assert bench.durable["a"] == b"1"


@pytest.mark.parametrize("profile", HONEST)
def test_after_syncing_every_file_and_directory_nothing_can_be_lost(profile: str) -> None:
    bench = Bench(profile, files={"a": b"1", "d/b": b"2"}, directories=("d",))
    bench.write("a", 0, b"xyz")
    bench.create("d/c")
    bench.write("d/c", 9, b"xyz")
    bench.rename("a", "d/b")
    for path in ("d/b", "d/c"):
        bench.fsync(path)
    for path in ("d", ""):
        bench.fsync_directory(path)
    assert bench.disk.pending == ()
    assert bench.possible() == [bench.cached]


@pytest.mark.parametrize("profile", HONEST)
def test_what_a_profile_in_contract_may_leave_strict_may_leave_too(profile: str) -> None:
    one, strict = (Bench(name, files={"a": b"12345678"}, atom=4) for name in (profile, "strict"))
    for bench in (one, strict):
        bench.create("t")
        bench.write("t", 0, b"ab")
        bench.write("a", 2, b"abc")
        bench.rename("t", "a")
    possible = strict.possible()
    assert all(tree in possible for tree in one.possible())


@pytest.mark.parametrize("profile", list(PROFILES))
def test_draws_are_legal_and_reach_the_extremes_and_the_middle(profile: str) -> None:
    bench = Bench(profile, files={"a": b"12345678"}, atom=4)
    bench.write("a", 0, b"abcdefgh")
    bench.write("a", 8, b"ABCD")
    bench.create("b")
    chance = random.Random(5)
    drawn = {repr(bench.left(bench.disk.draw(chance))) for _ in range(2000)}
    assert drawn == {repr(tree) for tree in bench.possible()}


def test_the_profiles_in_order_are_the_only_ones_with_an_order() -> None:
    ordered = [name for name, one in PROFILES.items() if one.order is not Order.ANY]
    assert ordered == list(IN_ORDER)
