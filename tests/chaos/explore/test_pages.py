"""The check of pages: an independent reader, which finds what it is there to find. PAGES-1."""

from __future__ import annotations

import random
import struct

import pytest

from chaos.disk.content import Content
from chaos.disk.image import Image
from chaos.explore.pages import PAGE, PageChecker, wal_end
from chaos.explore.recovery import Recoverer
from engine.recovery.control_file import ControlFile
from engine.storage.checksum import page_checksum
from properties.invariants.pages import page_checksums
from tests.chaos.explore.clusters import AUDIT, Cluster

TABLE = "base/5/1259"


@pytest.fixture(scope="module")
def recovered(recoverer: Recoverer, cluster: Cluster) -> Image:
    return recoverer.recover(cluster.at[-1], AUDIT, shut_down=True).after


def with_page(image: Image, path: str, page: bytes, block: int = 0) -> Image:
    data = bytearray(image.files[path].data)
    data[block * PAGE : (block + 1) * PAGE] = page
    return Image(image.directories, {**image.files, path: Content.of(bytes(data))})


def first_page(image: Image) -> bytearray:
    return bytearray(image.files[TABLE].data[:PAGE])


def sealed(page: bytearray, block: int = 0) -> bytes:
    """With the checksum that its content has."""
    struct.pack_into("<H", page, 8, page_checksum(page, block))
    return bytes(page)


def test_the_checksum_is_the_one_that_pages_are_written_with() -> None:
    chance = random.Random(7)
    pages = [chance.randbytes(PAGE) for _ in range(5)]
    blocks = [0, 1, 77, 131072, 4_000_000_000]
    ours = page_checksums(b"".join(pages), blocks)
    assert ours == [page_checksum(page, block) for page, block in zip(pages, blocks, strict=True)]


def test_the_pages_of_a_recovered_cluster_are_in_order(recovered: Image) -> None:
    assert PageChecker().check(recovered) == ()


def test_the_end_of_the_wal_is_behind_the_shutdown_checkpoint(recovered: Image) -> None:
    control = ControlFile.unpack(recovered.files["global/pg_control"].data)
    assert 0 < wal_end(recovered) - control.checkpoint_lsn <= 120


@pytest.mark.parametrize("at", [0, 9, 13, 30, 5000, PAGE - 1])
def test_a_changed_byte_is_found_and_its_page_named(recovered: Image, at: int) -> None:
    checker = PageChecker()
    assert checker.check(recovered) == ()
    page = first_page(recovered)
    page[at] ^= 0x10
    (problem,) = checker.check(with_page(recovered, TABLE, bytes(page)))
    assert problem.startswith(f"{TABLE} block 0: its checksum is ")
    assert checker.check(recovered) == ()


def test_a_page_in_the_place_of_another_is_found(recovered: Image) -> None:
    data = recovered.files[TABLE].data
    image = with_page(recovered, TABLE, data[:PAGE], block=1)
    assert PageChecker().check(image)[0].startswith(f"{TABLE} block 1: its checksum is ")


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [(10, 8, "flags 0x8"), (12, 9000, "lower 9000"), (14, 20, "upper 20"), (18, 0x2003, "0x2003")],
)
def test_a_header_that_cannot_be_is_found_though_the_checksum_is_right(
    recovered: Image, offset: int, value: int, said: str
) -> None:
    page = first_page(recovered)
    struct.pack_into("<H", page, offset, value)
    (problem,) = PageChecker().check(with_page(recovered, TABLE, sealed(page)))
    assert said in problem


def test_a_line_pointer_that_cannot_be_is_found_though_the_checksum_is_right(
    recovered: Image,
) -> None:
    page = first_page(recovered)
    page[28:32] = page[24:28]
    (problem,) = PageChecker().check(with_page(recovered, TABLE, sealed(page)))
    assert problem == (
        f"{TABLE} block 0: item 1: its tuple and that of item 2 share bytes (ITEM-2)"
    )


def test_a_page_whose_wal_is_not_on_the_disk_is_found(recovered: Image) -> None:
    end = wal_end(recovered)
    for lsn, is_fine in ((end, True), (end + 8, False)):
        page = first_page(recovered)
        struct.pack_into("<II", page, 0, lsn >> 32, lsn & 0xFFFFFFFF)
        problems = PageChecker().check(with_page(recovered, TABLE, sealed(page)))
        assert bool(problems) is not is_fine
        assert is_fine or "is beyond the end of the WAL" in problems[0]


def test_a_page_of_zeros_is_new_and_no_damage(recovered: Image) -> None:
    assert PageChecker().check(with_page(recovered, TABLE, bytes(PAGE))) == ()


def test_a_torn_extension_is_no_page(recovered: Image) -> None:
    data = recovered.files[TABLE].data
    files = {**recovered.files, TABLE: Content.of(data + b"half")}
    assert PageChecker().check(Image(recovered.directories, files)) == ()


def test_files_that_are_no_relations_are_not_looked_at(recovered: Image) -> None:
    files = {**recovered.files, "base/5/PG_VERSION": Content.of(b"15"), "base/x": Content.of(b"?")}
    assert PageChecker().check(Image(recovered.directories, files)) == ()
