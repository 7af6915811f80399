"""Images and contents: what is written is what is read, and digests tell what differs (DISK-8)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.disk.content import CHUNK, Content, Editor
from chaos.disk.image import Image
from chaos.disk.operations import DiskError
from tests.chaos.disk.bench import an_image, tree_of

NAMES = ("a", "b", "d/a", "d/e/a", "x")
contents = st.binary(max_size=40) | st.sampled_from([b"", b"p" * CHUNK, b"q" * (2 * CHUNK + 5)])
trees = st.dictionaries(st.sampled_from(NAMES), contents)


def image_of(tree: dict[str, bytes]) -> Image:
    """With the directories that it takes."""
    directories = {parent for path in tree for parent in map(str, Path(path).parents)} - {"."}
    return an_image(tree, tuple(sorted(directories)))


@given(first=trees, second=trees, is_known=st.booleans())
def test_an_image_written_over_another_is_read_back(
    first: dict[str, bytes],
    second: dict[str, bytes],
    is_known: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("image") / "data"
    before, after = image_of(first), image_of(second)
    before.write(directory)
    assert Image.read(directory).digest() == before.digest()
    after.write(directory, before if is_known else None)
    read = Image.read(directory)
    assert read.digest() == after.digest()
    assert tree_of(read) == tree_of(after)
    assert (read == before) == (tree_of(after) == tree_of(before))


def test_writing_touches_only_what_differs(tmp_path: Path) -> None:
    before = an_image({"a": b"1" * 3 * CHUNK, "b": b"2"})
    before.write(tmp_path)
    os.utime(tmp_path / "b", (1, 1))
    inode = (tmp_path / "a").stat().st_ino
    editor = Editor(before.files["a"])
    editor.write(CHUNK, b"x")
    after = Image(before.directories, {**before.files, "a": editor.content()})
    after.write(tmp_path, before)
    assert (tmp_path / "b").stat().st_mtime == 1
    assert (tmp_path / "a").stat().st_ino == inode
    assert Image.read(tmp_path) == after


def test_a_file_may_become_a_directory_and_back(tmp_path: Path) -> None:
    one, other = an_image({"a": b"1"}), an_image({"a/b": b"2"}, ("a",))
    for image in (one, other, one):
        image.write(tmp_path)
        assert Image.read(tmp_path) == image


def test_modes_are_part_of_an_image(tmp_path: Path) -> None:
    an_image({"a": b"1"}).write(tmp_path)
    before = Image.read(tmp_path)
    (tmp_path / "a").chmod(0o640)
    after = Image.read(tmp_path)
    assert after != before
    before.write(tmp_path)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    after.write(tmp_path, before)
    assert Image.read(tmp_path) == after


def test_two_names_of_one_file_stay_one_file(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "a").write_bytes(b"1")
    two = Image.read(first)
    os.link(first / "a", first / "b")
    linked = Image.read(first)
    (first / "b").unlink()
    (first / "b").write_bytes(b"1")
    (first / "b").chmod(linked.files["a"].mode)
    apart = Image.read(first)
    assert len({image.digest() for image in (two, linked, apart)}) == 3
    for image in (linked, apart, linked, two, linked):
        image.write(tmp_path / "second")
        assert Image.read(tmp_path / "second") == image


def test_a_symbolic_link_is_refused_and_a_socket_passed_over(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "data/s"))
        assert Image.read(tmp_path / "data").files == {}
    (tmp_path / "data/link").symlink_to("nowhere")
    with pytest.raises(DiskError, match="symbolic link"):
        Image.read(tmp_path / "data")


def test_an_image_gets_the_inodes_it_has_where_it_was_written(tmp_path: Path) -> None:
    image = an_image({"a": b"1", "d/b": b"2"}, ("d",))
    image.write(tmp_path)
    found = image.found_in(tmp_path)
    assert found.inodes["d/b"] == (tmp_path / "d/b").stat().st_ino
    assert found == image
    (tmp_path / "c").touch()
    with pytest.raises(DiskError, match="does not hold this image"):
        image.found_in(tmp_path)


edits = st.lists(
    st.tuples(st.integers(0, 3 * CHUNK), st.one_of(st.none(), st.binary(min_size=1, max_size=20)))
)


@given(start=contents, made=edits, has_digest=st.booleans())
def test_a_content_is_edited_like_bytes_and_its_digest_is_that_of_its_bytes(
    start: bytes, made: list[tuple[int, bytes | None]], has_digest: bool
) -> None:
    content = Content.of(start)
    expected = bytearray(start)
    editor = Editor(content)
    for offset, data in made:
        if has_digest:
            assert len(editor.content().digest) == 16
        if data is None:
            editor.truncate(offset)
            del expected[offset:]
            expected.extend(bytes(offset - len(expected)))
        else:
            editor.write(offset, data)
            expected.extend(bytes(max(0, offset + len(data) - len(expected))))
            expected[offset : offset + len(data)] = data
    assert editor.content().data == expected
    assert editor.content().size == len(expected)
    assert editor.content().digest == Content.of(bytes(expected)).digest
    assert content.data == start, "the content it began with is as it was"


def test_digests_tell_contents_apart() -> None:
    page = b"p" * CHUNK
    other = b"q" * CHUNK
    zeros = bytes(CHUNK)
    different = [
        b"", b"\0", zeros, zeros * 2, page, page + zeros, zeros + page, page + other, other + page,
        page * 2, page + b"\0", page[:-1],
    ]  # fmt: skip
    assert len({Content.of(data).digest for data in different}) == len(different)
    assert Content.of(page, 0o600) != Content.of(page, 0o640)


def test_a_file_under_another_name_is_another_image() -> None:
    assert an_image({"a": b"1", "b": b"2"}) != an_image({"a": b"2", "b": b"1"})
