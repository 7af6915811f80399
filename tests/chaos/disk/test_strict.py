"""The strict profile, rule by rule: what may happen to each unsynced operation, what never does.

What was synced stays (DISK-1), nothing else is durable (DISK-2), nothing is made up (DISK-3), a
file is known by its number (DISK-4), and a failed sync drops what it should have written (DISK-5).
"""

from __future__ import annotations

import random

import pytest

from chaos.disk.operations import DiskError, Kind, Operation
from tests.chaos.disk.bench import Bench

OLD = b"o" * 1024
NEW = b"n" * 1024


def test_an_unsynced_write_is_kept_lost_or_torn_at_sectors() -> None:
    bench = Bench(files={"a": OLD})
    bench.write("a", 0, NEW)
    half = 512
    assert bench.file("a") == [
        OLD, NEW, NEW[:half] + OLD[:half], OLD[:half] + NEW[:half]
    ]  # fmt: skip


def test_sectors_are_those_of_the_file_not_of_the_write() -> None:
    bench = Bench(files={"a": OLD})
    bench.write("a", 500, b"n" * 24)
    [pending] = bench.disk.pending
    assert pending.atoms == 2
    assert bench.left(bench.disk.torn(0, [0]))["a"][495:530] == b"o" * 5 + b"n" * 12 + b"o" * 18
    assert bench.left(bench.disk.torn(0, [1]))["a"][495:530] == b"o" * 17 + b"n" * 12 + b"o" * 6


def test_a_synced_write_survives() -> None:
    bench = Bench(files={"a": OLD})
    bench.write("a", 0, NEW)
    bench.fsync("a")
    assert bench.possible() == [{"a": NEW}]


def test_a_sync_covers_only_what_was_written_before_it() -> None:
    bench = Bench(files={"a": b"1234"})
    bench.write("a", 0, b"x")
    bench.fsync("a")
    bench.write("a", 1, b"y")
    assert bench.file("a") == [b"x234", b"xy34"]


def test_a_sync_of_another_file_makes_nothing_durable() -> None:
    bench = Bench(files={"a": b"1", "b": b"2"})
    bench.write("a", 0, b"x")
    bench.fsync("b")
    assert bench.file("a") == [b"1", b"x"]


def test_the_kept_writes_apply_in_log_order() -> None:
    bench = Bench(files={"a": b"0"})
    bench.write("a", 0, b"1")
    bench.write("a", 0, b"2")
    assert bench.left(bench.disk.all_kept())["a"] == b"2"
    assert bench.left(bench.disk.only_lost(1))["a"] == b"1"
    assert bench.left(bench.disk.only_kept(1))["a"] == b"2"


def test_a_kept_sector_behind_the_end_extends_the_file_and_the_gap_is_zeros() -> None:
    bench = Bench(files={"a": b"1"})
    bench.write("a", 512, b"y" * 700)
    assert bench.left(bench.disk.torn(0, [0]))["a"] == b"1" + bytes(511) + b"y" * 512
    assert bench.left(bench.disk.torn(0, [1]))["a"] == b"1" + bytes(1023) + b"y" * 188


def test_a_size_may_be_kept_without_the_data() -> None:
    bench = Bench(files={"a": b"1"})
    bench.write("a", 1, b"23")
    assert bench.left(bench.disk.torn(0, [], size=True))["a"] == b"1\0\0"
    assert bench.file("a") == [b"1", b"123", b"1\0\0"]


def test_a_truncation_is_kept_or_lost() -> None:
    bench = Bench(files={"a": b"1234"})
    bench.truncate("a", 2)
    assert bench.file("a") == [b"12", b"1234"]


def test_what_was_cut_off_does_not_come_back_when_the_file_grows_again() -> None:
    bench = Bench(files={"a": b"1234"})
    bench.truncate("a", 2)
    bench.truncate("a", 4)
    assert bench.left(bench.disk.all_kept())["a"] == b"12\0\0"


def test_a_synced_file_without_a_synced_name_may_be_gone() -> None:
    bench = Bench()
    bench.create("a")
    bench.write("a", 0, b"1")
    bench.fsync("a")
    assert bench.file("a") == [b"1", None]


def test_a_synced_name_says_nothing_of_the_content() -> None:
    bench = Bench()
    bench.create("a")
    bench.write("a", 0, b"1")
    bench.fsync_directory("")
    assert bench.file("a") == [b"", b"1", b"\0"]


def test_file_and_directory_synced_are_durable() -> None:
    bench = Bench()
    bench.create("a")
    bench.write("a", 0, b"1")
    bench.fsync("a")
    bench.fsync_directory("")
    assert bench.possible() == [{"a": b"1"}]
    assert bench.disk.pending == ()


def test_names_may_vanish_each_on_its_own() -> None:
    bench = Bench()
    for name in ("a", "b"):
        bench.create(name)
    assert bench.possible() == [{"a": b""}, {"a": b"", "b": b""}, {"b": b""}, {}]


def test_a_rename_is_one_entry_in_two_states() -> None:
    bench = Bench(files={"a": b"1"})
    bench.rename("a", "b")
    bench.rename("b", "c")
    assert bench.possible() == [{"a": b"1"}, {"b": b"1"}, {"c": b"1"}]


def test_a_rename_over_a_name_leaves_the_old_file_or_the_new() -> None:
    bench = Bench(files={"a": b"new", "b": b"old"})
    bench.rename("a", "b")
    assert bench.possible() == [{"a": b"new", "b": b"old"}, {"b": b"new"}]


def test_a_rename_across_directories_waits_for_both() -> None:
    for first, second in (("d", "e"), ("e", "d")):
        bench = Bench(files={"d/a": b"1"}, directories=("d", "e"))
        bench.rename("d/a", "e/a")
        both = [{"d/": b"", "d/a": b"1", "e/": b""}, {"d/": b"", "e/": b"", "e/a": b"1"}]
        assert bench.possible() == both
        bench.fsync_directory(first)
        assert bench.possible() == both
        bench.fsync_directory(second)
        assert bench.possible() == both[1:]


def test_a_name_that_moved_on_durably_is_nowhere_else() -> None:
    bench = Bench(files={"d/a": b"1"}, directories=("d", "e"))
    bench.rename("d/a", "e/a")
    bench.rename("e/a", "e/b")
    bench.fsync_directory("e")
    assert bench.possible() == [{"d/": b"", "e/": b"", "e/b": b"1"}]


def test_a_half_synced_rename_does_not_come_back_over_a_later_name() -> None:
    bench = Bench(files={"d/a": b"1", "z": b"2"}, directories=("d",))
    bench.rename("d/a", "b")
    bench.rename("z", "b")
    bench.fsync_directory("")
    assert bench.possible() == [{"b": b"2", "d/": b""}, {"b": b"2", "d/": b"", "d/a": b"1"}]


def test_an_unlinked_file_may_come_back() -> None:
    bench = Bench(files={"a": b"1"})
    bench.unlink("a")
    assert bench.possible() == [{"a": b"1"}, {}]
    bench.fsync_directory("")
    assert bench.possible() == [{}]


def test_writes_to_a_file_that_has_no_name_in_any_state_are_not_pending() -> None:
    bench = Bench(files={"a": b"1"})
    inode = bench.inodes["a"]
    bench.write(inode, 0, b"2")
    bench.unlink("a")
    bench.write(inode, 0, b"3")
    assert len(bench.disk.pending) == 3
    bench.fsync_directory("")
    bench.write(inode, 0, b"4")
    assert bench.disk.pending == ()


def test_a_second_name_is_another_way_to_the_same_file() -> None:
    bench = Bench(files={"a": b"1"})
    bench.link("a", "b")
    bench.write("b", 0, b"2")
    bench.fsync("b")
    assert bench.possible() == [{"a": b"2"}, {"a": b"2", "b": b"2"}]


def test_what_is_in_a_directory_that_vanished_is_gone() -> None:
    bench = Bench()
    bench.make_directory("d")
    bench.create("d/a")
    bench.fsync("d/a")
    bench.fsync_directory("d")
    assert bench.possible() == [{"d/": b"", "d/a": b""}, {}]


def test_a_directory_that_is_renamed_takes_its_files_along() -> None:
    bench = Bench(files={"d/a": b"1"}, directories=("d",))
    bench.rename("d", "e")
    bench.write("e/a", 0, b"2")
    bench.fsync("e/a")
    assert bench.possible() == [{"d/": b"", "d/a": b"2"}, {"e/": b"", "e/a": b"2"}]


def test_an_inode_number_that_is_used_again_is_another_file() -> None:
    bench = Bench(files={"a": b"old"})
    inode = bench.inodes["a"]
    bench.unlink("a")
    bench.create("b", inode=inode)
    bench.write("b", 0, b"new")
    bench.fsync("b")
    assert bench.possible() == [{"a": b"old"}, {"a": b"old", "b": b"new"}, {"b": b"new"}, {}]


def test_a_failed_sync_drops_the_writes_for_ever_and_the_cache_keeps_them() -> None:
    bench = Bench(files={"a": b"1234"})
    bench.write("a", 0, b"x")
    bench.fsync_failed("a")
    bench.write("a", 1, b"y")
    assert bench.file("a") == [b"1234", b"1y34"]
    bench.fsync("a")
    assert bench.possible() == [{"a": b"1y34"}]
    assert bench.cached == {"a": b"xy34"}


def test_a_failed_sync_takes_nothing_that_was_synced_before() -> None:
    bench = Bench(files={"a": b"1234"})
    bench.write("a", 0, b"x")
    bench.fsync("a")
    bench.fsync_failed("a")
    assert bench.possible() == [{"a": b"x234"}]


def test_a_failed_sync_takes_no_truncation_and_no_name() -> None:
    bench = Bench(files={"a": b"1234"})
    bench.truncate("a", 2)
    bench.rename("a", "b")
    bench.fsync_failed("b")
    assert len(bench.disk.pending) == 2


def test_the_count_is_the_product_of_what_is_independent() -> None:
    bench = Bench(files={"a": bytes(8192)})
    bench.write("a", 0, b"x" * 8192)
    bench.write("a", 8192, b"y" * 8192)
    bench.rename("a", "b")
    assert bench.disk.count_states() == 2**16 * 2 ** (16 + 1) * 2


def test_a_restart_makes_the_image_durable_and_leaves_nothing_pending() -> None:
    bench = Bench(files={"a": b"1", "b": b"2"})
    bench.write("a", 0, b"x")
    bench.unlink("b")
    left = bench.disk.crash(bench.disk.draw(random.Random(3)))
    bench.disk.restart(left)
    assert bench.disk.pending == ()
    assert bench.disk.durable() == bench.disk.cached() == left
    assert bench.disk.count_states() == 1


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        (Operation(0, 0, Kind.WRITE, 77, "x", data=b"1"), "inode 77"),
        (Operation(0, 0, Kind.CREATE, 77, "a"), "there already"),
        (Operation(0, 0, Kind.CREATE, 77, "no/a"), "no directory 'no'"),
        (Operation(0, 0, Kind.UNLINK, 77, "b"), "no 'b'"),
        (Operation(0, 0, Kind.UNLINK, 77, "a"), "not 77"),
        (Operation(0, 0, Kind.REMOVE_DIRECTORY, 2, "d"), "not empty"),
        (Operation(0, 0, Kind.RENAME, 3, "a", ""), "no name"),
    ],
)
def test_an_operation_that_cannot_have_happened_is_refused(
    operation: Operation, complaint: str
) -> None:
    bench = Bench(files={"a": b"1", "d/c": b"2"}, directories=("d",))
    with pytest.raises(DiskError, match=complaint):
        bench.disk.apply(operation)


def test_operations_out_of_order_are_refused() -> None:
    bench = Bench(files={"a": b"1"})
    bench.write("a", 0, b"1")
    with pytest.raises(DiskError, match="not in log order"):
        bench.disk.apply(bench.log[0])
