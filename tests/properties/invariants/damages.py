"""Damage of every kind: the invariant that it breaks, and what it does to a copy of the cluster.

Each breaks one thing and leaves the rest right, checksums included, as a bug of the server would.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from crc32c import crc32c

from tests.properties.invariants.doctoring import (
    HEAP_ONLY,
    HOT_UPDATED,
    PAGE,
    UPDATED,
    XMAX_COMMITTED,
    XMAX_INVALID,
    XMIN_COMMITTED,
    XMIN_INVALID,
    Cluster,
    Version,
)

Damage = Callable[[Cluster], None]

DAMAGES: list[tuple[str, Damage]] = []
LOCK_ONLY = 0x0080
IS_MULTI = 0x1000
KEYS_UPDATED = 0x2000
HAS_EXTERNAL = 0x0004
MAP_VISIBLE, MAP_FROZEN = 1, 2


def breaks(invariant: str) -> Callable[[Damage], Damage]:
    """Enter a damage into the table."""

    def enter(damage: Damage) -> Damage:
        DAMAGES.append((invariant, damage))
        return damage

    return enter


def first(versions: Iterator[Version]) -> Version:
    """The first of some versions, of which there must be one."""
    return next(versions)


def plain(cluster: Cluster) -> Version:
    """A version that was inserted and never touched."""
    found = cluster.versions(cluster.files["versions"])
    return first(one for one in found if one.xmax == 0 and not one.infomask & UPDATED)


def hot_root(cluster: Cluster) -> Version:
    """A version that was HOT-updated."""
    return first(one for one in cluster.versions(cluster.files["versions"]) if one.is_hot_updated)


def hot_tip(cluster: Cluster) -> Version:
    """A heap-only version that lives."""
    found = cluster.versions(cluster.files["versions"])
    return first(
        one
        for one in found
        if one.infomask2 & HEAP_ONLY and one.xmax == 0 and one.infomask & XMIN_COMMITTED
    )


def deleted(cluster: Cluster) -> Version:
    """A version that was deleted."""
    found = cluster.versions(cluster.files["versions"])
    return first(one for one in found if one.infomask2 & KEYS_UPDATED)


def rolled_back(cluster: Cluster) -> Version:
    """A version that an aborted transaction made."""
    found = cluster.versions(cluster.files["versions"])
    return first(
        one for one in found if one.infomask & (XMIN_COMMITTED | XMIN_INVALID) == XMIN_INVALID
    )


def moved(cluster: Cluster) -> Version:
    """A version whose next one is on another page."""
    found = cluster.versions(cluster.files["wide"])
    return first(one for one in found if one.xmax and one.ctid[0] != one.block)


# pg_control and the WAL --------------------------------------------------------------------------


@breaks("CONTROL-1")
def control_is_cut_short(cluster: Cluster) -> None:
    path = cluster.root / "global/pg_control"
    path.write_bytes(path.read_bytes()[:512])


@breaks("CONTROL-1")
def control_has_a_wrong_crc(cluster: Cluster) -> None:
    cluster.write("global/pg_control", 100, b"\x55")


@breaks("CONTROL-2")
def redo_is_not_at_the_checkpoint_of_the_shutdown(cluster: Cluster) -> None:
    cluster.set_control(32, struct.pack("<Q", cluster.control(32, "Q") + 8))


@breaks("CONTROL-3")
def next_xid_is_before_the_oldest(cluster: Cluster) -> None:
    cluster.set_control(64, struct.pack("<Q", 3))
    cluster.set_control(84, struct.pack("<I", 100))


@breaks("LOG-1")
def redo_point_has_no_record(cluster: Cluster) -> None:
    position = cluster.control(40, "Q") + 8
    cluster.set_control(32, struct.pack("<Q", position))
    cluster.set_control(40, struct.pack("<Q", position))


@breaks("LOG-1")
def checkpoint_record_has_a_wrong_crc(cluster: Cluster) -> None:
    segment, at = divmod(cluster.control(40, "Q"), 1 << 20)
    cluster.write(f"pg_wal/0000000100000000{segment:08X}", at + 40, b"\x55")


@breaks("LOG-2")
def control_says_something_else_than_the_checkpoint(cluster: Cluster) -> None:
    cluster.set_control(72, struct.pack("<I", 77777))


@breaks("LOG-3")
def segment_is_cut_short(cluster: Cluster) -> None:
    segment = cluster.control(40, "Q") >> 20
    (cluster.root / f"pg_wal/0000000100000000{segment + 1:08X}").write_bytes(bytes(8192))


@breaks("LOG-3")
def segment_is_half_made(cluster: Cluster) -> None:
    (cluster.root / "pg_wal/xlogtemp.77").write_bytes(bytes(8192))


# pages -------------------------------------------------------------------------------------------


@breaks("PAGE-1")
def bit_of_a_page_flips(cluster: Cluster) -> None:
    page = cluster.page(cluster.files["versions"], 0)
    page[8000] ^= 1
    cluster.put(cluster.files["versions"], 0, page, right=False)


@breaks("PAGE-1")
def page_lies_where_another_belongs(cluster: Cluster) -> None:
    page = cluster.page(cluster.files["wide"], 1)
    cluster.put(cluster.files["wide"], 2, page, right=False)


@breaks("PAGE-2")
def bounds_of_a_page_are_out_of_order(cluster: Cluster) -> None:
    cluster.set_in_page(cluster.files["versions"], 0, 14, "H", 30)


@breaks("PAGE-2")
def page_has_an_unknown_flag(cluster: Cluster) -> None:
    cluster.set_in_page(cluster.files["versions"], 0, 10, "H", 0x40)


@breaks("PAGE-3")
def page_lost_its_header_only(cluster: Cluster) -> None:
    page = cluster.page(cluster.files["versions"], 0)
    page[:24] = bytes(24)
    cluster.put(cluster.files["versions"], 0, page, right=False)


@breaks("PAGE-4")
def page_is_newer_than_the_wal(cluster: Cluster) -> None:
    cluster.set_in_page(cluster.files["versions"], 0, 4, "I", cluster.control(40, "Q") + 4096)


# line pointers -----------------------------------------------------------------------------------


@breaks("ITEM-1")
def item_points_into_free_space(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_item(one.path, one.block, one.item, one.length << 17 | 1 << 15 | 2000)


@breaks("ITEM-1")
def item_reaches_beyond_the_page(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_item(one.path, one.block, one.item, 500 << 17 | 1 << 15 | one.at)


@breaks("ITEM-1")
def item_is_too_short_for_a_tuple(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_item(one.path, one.block, one.item, 10 << 17 | 1 << 15 | one.at)


@breaks("ITEM-2")
def two_items_share_a_tuple(cluster: Cluster) -> None:
    one = plain(cluster)
    raw = one.length << 17 | 1 << 15 | one.at
    cluster.set_item(one.path, one.block, one.item + 1, raw)


def redirect(cluster: Cluster, to: int) -> None:
    path = cluster.files["pruned"]
    items = cluster.items(cluster.page(path, 0))
    item = next(number for number, raw in items if raw >> 15 & 3 == 2)
    cluster.set_item(path, 0, item, 2 << 15 | to)


@breaks("ITEM-3")
def redirect_leads_nowhere(cluster: Cluster) -> None:
    redirect(cluster, 99)


@breaks("ITEM-3")
def redirect_leads_to_an_unused_item(cluster: Cluster) -> None:
    redirect(cluster, 3)


@breaks("ITEM-3")
def two_redirects_lead_to_one_version(cluster: Cluster) -> None:
    redirect(cluster, 5)


@breaks("ITEM-3")
def redirect_leads_to_a_version_that_is_not_heap_only(cluster: Cluster) -> None:
    path = cluster.files["pruned"]
    one = first(cluster.versions(path))
    cluster.set_field(one, infomask2=one.infomask2 & ~HEAP_ONLY)


@breaks("ITEM-4")
def unused_item_has_a_length(cluster: Cluster) -> None:
    cluster.set_item(cluster.files["pruned"], 0, 3, 40 << 17)


@breaks("ITEM-5")
def lower_is_in_the_middle_of_an_item(cluster: Cluster) -> None:
    path = cluster.files["versions"]
    (lower,) = struct.unpack_from("<H", cluster.page(path, 0), 12)
    cluster.set_in_page(path, 0, 12, "H", lower + 2)


# row versions by themselves ----------------------------------------------------------------------


@breaks("TUPLE-1")
def data_begin_in_the_header(cluster: Cluster) -> None:
    cluster.set_field(plain(cluster), hoff=16)


@breaks("TUPLE-2")
def version_has_more_attributes_than_its_table(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_field(one, infomask2=one.infomask2 + 1)


@breaks("TUPLE-3")
def xmax_is_committed_and_invalid(cluster: Cluster) -> None:
    one = deleted(cluster)
    cluster.set_field(one, infomask=one.infomask | XMAX_INVALID)


@breaks("TUPLE-3")
def xmax_is_committed_and_a_lock(cluster: Cluster) -> None:
    one = deleted(cluster)
    cluster.set_field(one, infomask=one.infomask | LOCK_ONLY)


@breaks("TUPLE-3")
def xmax_is_committed_and_a_multixact(cluster: Cluster) -> None:
    one = deleted(cluster)
    cluster.set_field(one, infomask=one.infomask | IS_MULTI)


@breaks("TUPLE-4")
def version_without_an_xmax_counts_as_updated(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_field(one, infomask2=one.infomask2 | HOT_UPDATED)


@breaks("TUPLE-4")
def version_without_an_xmax_is_not_marked_so(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_field(one, infomask=one.infomask & ~XMAX_INVALID)


@breaks("TUPLE-5")
def heap_only_version_was_never_updated(cluster: Cluster) -> None:
    one = hot_tip(cluster)
    cluster.set_field(one, infomask=one.infomask & ~UPDATED)


@breaks("TUPLE-6")
def ctid_has_no_number(cluster: Cluster) -> None:
    cluster.set_field(plain(cluster), number=0)


@breaks("TUPLE-7")
def external_value_in_a_row_of_fixed_width(cluster: Cluster) -> None:
    one = first(cluster.versions(cluster.files["frozen"]))
    cluster.set_field(one, infomask=one.infomask | HAS_EXTERNAL)


@breaks("TUPLE-8")
def version_has_a_byte_too_many(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_item(one.path, one.block, one.item, one.length + 1 << 17 | 1 << 15 | one.at)


@breaks("TUPLE-8")
def value_claims_to_be_longer_than_its_tuple(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_in_page(one.path, one.block, one.at + 28, "B", 100 << 1 | 1)


# xids --------------------------------------------------------------------------------------------


def set_status(cluster: Cluster, xid: int, status: int) -> None:
    """The two bits of an xid."""
    path = cluster.root / "pg_xact/0000"
    data = bytearray(path.read_bytes())
    shift = 2 * (xid % 4)
    data[xid // 4] = data[xid // 4] & ~(3 << shift) | status << shift
    path.write_bytes(data)


@breaks("STATUS-1")
def commit_log_is_gone(cluster: Cluster) -> None:
    (cluster.root / "pg_xact/0000").unlink()


@breaks("STATUS-2")
def xid_of_the_future_committed(cluster: Cluster) -> None:
    set_status(cluster, cluster.control(64, "Q") + 5, 1)


@breaks("STATUS-3")
def xid_of_the_future_made_a_row(cluster: Cluster) -> None:
    one = plain(cluster)
    xid = cluster.control(64, "Q") + 5
    cluster.set_field(one, xmin=xid, infomask=one.infomask & ~XMIN_COMMITTED)


@breaks("STATUS-3")
def xid_of_the_future_locked_a_row(cluster: Cluster) -> None:
    cluster.set_field(deleted(cluster), xmax=cluster.control(64, "Q"))


@breaks("STATUS-4")
def row_is_older_than_relfrozenxid(cluster: Cluster) -> None:
    one = first(cluster.versions(cluster.files["frozen"]))
    cluster.set_field(one, infomask=one.infomask & ~XMIN_INVALID, xmin=3)


@breaks("STATUS-4")
def multixact_of_the_future_locked_a_row(cluster: Cluster) -> None:
    one = plain(cluster)
    mask = one.infomask & ~XMAX_INVALID | IS_MULTI | LOCK_ONLY
    cluster.set_field(one, xmax=99, infomask=mask)


@breaks("STATUS-5")
def hint_says_that_an_aborted_transaction_committed(cluster: Cluster) -> None:
    one = rolled_back(cluster)
    cluster.set_field(one, infomask=one.infomask & ~XMIN_INVALID | XMIN_COMMITTED)


@breaks("STATUS-5")
def row_of_an_aborted_transaction_is_frozen(cluster: Cluster) -> None:
    one = rolled_back(cluster)
    cluster.set_field(one, infomask=one.infomask | XMIN_COMMITTED | XMIN_INVALID)


@breaks("STATUS-5")
def commit_is_lost_in_the_commit_log(cluster: Cluster) -> None:
    set_status(cluster, plain(cluster).xmin, 0)


@breaks("STATUS-6")
def hint_says_that_a_committed_transaction_aborted(cluster: Cluster) -> None:
    one = plain(cluster)
    cluster.set_field(one, infomask=one.infomask & ~XMIN_COMMITTED | XMIN_INVALID)


@breaks("STATUS-7")
def deletion_that_was_rolled_back_counts(cluster: Cluster) -> None:
    found = cluster.versions(cluster.files["versions"])
    one = first(one for one in found if one.xmax and one.infomask & XMAX_INVALID)
    cluster.set_field(one, infomask=one.infomask & ~XMAX_INVALID | XMAX_COMMITTED)


@breaks("STATUS-8")
def deletion_that_committed_is_forgotten(cluster: Cluster) -> None:
    one = deleted(cluster)
    cluster.set_field(one, infomask=one.infomask & ~XMAX_COMMITTED | XMAX_INVALID)


# chains ------------------------------------------------------------------------------------------


@breaks("CHAIN-1")
def next_version_is_gone(cluster: Cluster) -> None:
    one = hot_root(cluster)
    cluster.set_item(one.path, one.ctid[0], one.ctid[1], 0)


@breaks("CHAIN-1")
def next_version_is_another_transactions(cluster: Cluster) -> None:
    one = hot_root(cluster)
    cluster.set_field(one, number=plain(cluster).item)


@breaks("CHAIN-1")
def next_version_is_on_another_page(cluster: Cluster) -> None:
    one = moved(cluster)
    cluster.set_field(one, infomask2=one.infomask2 | HOT_UPDATED)


@breaks("CHAIN-2")
def version_before_a_heap_only_one_was_not_hot_updated(cluster: Cluster) -> None:
    one = hot_root(cluster)
    cluster.set_field(one, infomask2=one.infomask2 & ~HOT_UPDATED)


@breaks("CHAIN-3")
def nothing_leads_to_a_heap_only_version(cluster: Cluster) -> None:
    path = cluster.files["pruned"]
    items = cluster.items(cluster.page(path, 0))
    item = next(number for number, raw in items if raw >> 15 & 3 == 2)
    cluster.set_item(path, 0, item, 0)


@breaks("CHAIN-4")
def two_versions_lead_to_one(cluster: Cluster) -> None:
    one = hot_root(cluster)
    found = [
        other
        for other in cluster.versions(one.path)
        if other.is_hot_updated and other.xmax == one.xmax and other.item != one.item
    ]
    cluster.set_field(found[0], number=one.ctid[1])


@breaks("CHAIN-5")
def versions_lead_back_to_themselves(cluster: Cluster) -> None:
    root = hot_root(cluster)
    middle = first(one for one in cluster.versions(root.path) if (one.block, one.item) == root.ctid)
    cluster.set_field(middle, xmax=root.xmin, high=0, low=root.block, number=root.item)


# maps --------------------------------------------------------------------------------------------


def make_map(cluster: Cluster, name: str, bits: int, block: int = 0) -> None:
    """A visibility map with bits for one block."""
    page = bytearray(PAGE)
    struct.pack_into("<HHHHH", page, 10, 0, 24, PAGE, PAGE, 0x2004)
    page[24 + block // 4] = bits << 2 * (block % 4)
    path = f"{cluster.files[name]}_vm"
    (cluster.root / path).write_bytes(page)
    cluster.put(path, 0, page)


def mark_all_visible(cluster: Cluster, name: str) -> None:
    cluster.set_in_page(cluster.files[name], 0, 10, "H", 4)


@breaks("MAP-1")
def map_calls_a_page_all_visible_and_it_is_not(cluster: Cluster) -> None:
    make_map(cluster, "frozen", MAP_VISIBLE)


@breaks("MAP-1")
def map_calls_a_page_all_frozen_only(cluster: Cluster) -> None:
    mark_all_visible(cluster, "frozen")
    make_map(cluster, "frozen", MAP_FROZEN)


@breaks("MAP-2")
def page_with_deleted_rows_is_all_visible(cluster: Cluster) -> None:
    mark_all_visible(cluster, "versions")


@breaks("MAP-2")
def page_with_a_dead_item_is_all_visible(cluster: Cluster) -> None:
    mark_all_visible(cluster, "pruned")
    cluster.set_item(cluster.files["pruned"], 0, 3, 3 << 15)


@breaks("MAP-3")
def page_with_rows_that_are_not_frozen_is_all_frozen(cluster: Cluster) -> None:
    mark_all_visible(cluster, "pruned")
    make_map(cluster, "pruned", MAP_VISIBLE | MAP_FROZEN)


@breaks("MAP-4")
def map_goes_on_behind_the_heap(cluster: Cluster) -> None:
    make_map(cluster, "frozen", MAP_VISIBLE, block=3)


@breaks("SPACE-1")
def node_of_the_free_space_map_is_too_small(cluster: Cluster) -> None:
    path = f"{cluster.files['wide']}_fsm"
    cluster.set_in_page(path, 2, 28 + 4095, "B", 255)


# relations and other files -----------------------------------------------------------------------


@breaks("REL-1")
def relation_map_has_a_wrong_crc(cluster: Cluster) -> None:
    cluster.write("base/5/pg_filenode.map", 20, b"\x55")


@breaks("REL-2")
def file_of_a_table_is_gone(cluster: Cluster) -> None:
    (cluster.root / cluster.files["wide"]).unlink()


@breaks("REL-2")
def catalog_is_gone(cluster: Cluster) -> None:
    (cluster.root / "base/5/1259").unlink()


@breaks("REL-3")
def two_catalogs_have_one_file(cluster: Cluster) -> None:
    path = cluster.root / "base/5/pg_filenode.map"
    data = bytearray(path.read_bytes())
    data[12:16] = data[20:24]
    struct.pack_into("<I", data, 504, crc32c(bytes(data[:504])))
    path.write_bytes(data)


@breaks("REL-4")
def segment_follows_one_that_is_not_full(cluster: Cluster) -> None:
    path = cluster.root / cluster.files["versions"]
    (path.parent / f"{path.name}.1").write_bytes(path.read_bytes())


@breaks("REL-5")
def database_has_no_version(cluster: Cluster) -> None:
    (cluster.root / "base/4/PG_VERSION").unlink()


@breaks("REL-5")
def oldest_xid_is_newer_than_a_database(cluster: Cluster) -> None:
    cluster.set_control(84, struct.pack("<I", cluster.control(64, "Q") - 1))


@breaks("FILE-1")
def lock_file_is_left(cluster: Cluster) -> None:
    (cluster.root / "postmaster.pid").write_text("0\n")


@breaks("FILE-1")
def relation_cache_is_half_made(cluster: Cluster) -> None:
    (cluster.root / "base/5/pg_internal.init.99").write_bytes(b"")


@breaks("FILE-2")
def commit_log_has_half_a_page(cluster: Cluster) -> None:
    with (cluster.root / "pg_xact/0000").open("ab") as file:
        file.write(bytes(100))


@breaks("FILE-3")
def database_is_of_another_version(cluster: Cluster) -> None:
    (cluster.root / "base/4/PG_VERSION").write_text("14\n")
