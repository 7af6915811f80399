"""What cannot be checked is refused or said, and what is legal is no problem."""

from __future__ import annotations

import os
import random
import struct

import pytest

from properties.invariants import CannotCheck, check_directory, checking, heap_batch
from properties.invariants.alone import examine_pages
from properties.invariants.directory import Directory, RelationFile
from properties.invariants.heap_batch import Fork
from properties.invariants.report import SHOWN_PER_FILE, Findings
from tests.properties.invariants import damages
from tests.properties.invariants.doctoring import PAGE, XMIN_COMMITTED, Cluster


def test_a_directory_without_a_cluster_is_refused(prepared: Cluster) -> None:
    with pytest.raises(CannotCheck, match="is not there"):
        check_directory(prepared.root / "nowhere")
    with pytest.raises(CannotCheck, match="no PG_VERSION"):
        check_directory(prepared.root / "pg_wal")


def test_who_knows_that_there_is_a_cluster_is_told_by_the_report_that_it_is_gone(
    cluster: Cluster,
) -> None:
    (cluster.root / "global/pg_control").unlink()
    with pytest.raises(CannotCheck, match='no "global/pg_control"'):
        check_directory(cluster.root)
    report = check_directory(cluster.root, is_stopped=True)
    assert report.unchecked == ('there is no "global/pg_control": initdb did not end here',)


def test_a_cluster_of_another_version_is_refused(cluster: Cluster) -> None:
    (cluster.root / "PG_VERSION").write_text("14\n")
    with pytest.raises(CannotCheck, match="version 14"):
        check_directory(cluster.root)


def test_a_cluster_that_a_server_runs_on_is_refused_unless_somebody_knows_better(
    cluster: Cluster,
) -> None:
    (cluster.root / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with pytest.raises(CannotCheck, match="stop it first"):
        check_directory(cluster.root)
    report = check_directory(cluster.root, is_stopped=True)
    assert [problem.invariant for problem in report.problems] == ["FILE-1"]


def test_a_lock_file_with_a_number_that_no_process_can_have_is_nobodys(cluster: Cluster) -> None:
    (cluster.root / "postmaster.pid").write_text(f"{10**20}\n")
    report = check_directory(cluster.root)
    assert [problem.invariant for problem in report.problems] == ["FILE-1"]


@pytest.mark.parametrize("path", ["base/5/77777", "pg_xact/0001", f"pg_wal/{'0' * 24}"])
def test_a_name_that_leads_nowhere_cannot_be_checked(cluster: Cluster, path: str) -> None:
    (cluster.root / path).symlink_to("nowhere")
    with pytest.raises(CannotCheck, match=f'cannot read "{path}": No such file'):
        check_directory(cluster.root)


def test_a_large_file_that_cannot_be_opened_cannot_be_checked(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heap_batch, "PAGES_PER_BATCH", 1)
    path = cluster.files["wide"]
    size = (cluster.root / path).stat().st_size
    lost = RelationFile(f"{path}.lost", 1663, 5, 1, "main", 0, size)
    forks = [Fork((lost,), is_heap=True)]
    with pytest.raises(CannotCheck, match=f'cannot read "{lost.path}": No such file'):
        list(heap_batch.parts_of(Directory(cluster.root), forks, True, Findings()))


def test_a_map_is_held_against_a_heap_without_row_versions(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "PAGES_PER_BATCH", 1)
    path = cluster.files["frozen"]
    page = cluster.page(path, 0)
    struct.pack_into("<HH", page, 12, 24, PAGE)
    page[24:] = bytes(PAGE - 24)
    cluster.put(path, 0, page)
    assert check_directory(cluster.root).problems == ()
    damages.make_map(cluster, "frozen", damages.MAP_VISIBLE)
    assert [one.invariant for one in check_directory(cluster.root).problems] == ["MAP-1"]
    damages.make_map(cluster, "frozen", damages.MAP_VISIBLE, block=3)
    assert [one.invariant for one in check_directory(cluster.root).problems] == ["MAP-4"]


def test_of_a_cluster_that_was_not_shut_down_only_what_holds_nevertheless_is_checked(
    cluster: Cluster,
) -> None:
    cluster.set_control(16, struct.pack("<I", 6))
    damages.bit_of_a_page_flips(cluster)
    damages.commit_log_has_half_a_page(cluster)
    report = check_directory(cluster.root)
    assert [problem.invariant for problem in report.problems] == ["FILE-2"]
    assert "in production" in report.unchecked[0]
    assert "pages" not in report.looked_at


def test_a_file_that_no_relation_has_is_a_note(cluster: Cluster) -> None:
    (cluster.root / "base/5/99999").write_bytes(bytes(PAGE))
    report = check_directory(cluster.root)
    assert report.problems == ()
    assert report.notes == ("base/5/99999: no relation has this file",)


def test_a_piece_of_a_page_at_the_end_of_a_file_is_a_note(cluster: Cluster) -> None:
    path = cluster.files["wide"]
    with (cluster.root / path).open("ab") as file:
        file.write(b"torn" * 100)
    report = check_directory(cluster.root)
    assert report.problems == ()
    assert report.notes == (f"{path}: ends with 400 bytes of a page",)


def test_without_checksums_they_are_skipped_and_counted(cluster: Cluster) -> None:
    cluster.set_control(252, struct.pack("<I", 0))
    damages.bit_of_a_page_flips(cluster)
    report = check_directory(cluster.root)
    assert report.problems == ()
    assert report.skipped["checksums: off in this cluster"] == report.looked_at["pages"]


def test_a_problem_says_where_it_is(cluster: Cluster) -> None:
    one = damages.deleted(cluster)
    damages.deletion_that_committed_is_forgotten(cluster)
    (problem,) = check_directory(cluster.root).problems
    assert problem[:4] == ("STATUS-8", one.path, one.block, one.item)
    assert str(problem) == (
        f"{one.path} block 0 item {one.item}: its xmax {one.xmax} is marked as invalid, "
        "and is committed in the commit log (STATUS-8)"
    )


def test_of_many_problems_in_one_file_the_first_are_told_and_the_others_counted(
    cluster: Cluster,
) -> None:
    path = cluster.files["wide"]
    marked = [one for one in cluster.versions(path) if one.infomask & XMIN_COMMITTED]
    made_by = marked[0].xmin
    count = sum(one.xmin == made_by for one in marked)
    damages.set_status(cluster, made_by, 2)
    report = check_directory(cluster.root)
    told = [problem for problem in report.problems if problem.invariant == "STATUS-5"]
    assert len(told) == SHOWN_PER_FILE
    assert report.left_out["STATUS-5"] == count - SHOWN_PER_FILE


def test_a_page_by_itself_shows_what_is_wrong_on_it(prepared: Cluster, cluster: Cluster) -> None:
    path = cluster.files["versions"]
    right = bytes(prepared.page(path, 0))
    damages.two_items_share_a_tuple(cluster)
    wrong = bytes(cluster.page(path, 0))
    facts = examine_pages(right + wrong + bytes(PAGE), [0, 0, 7], [True] * 3)
    assert [one.invariant for one in facts] == ["", "ITEM-2", ""]
    assert facts[0].lsn > 0
    assert [one.invariant for one in examine_pages(right, [1], [True])] == ["PAGE-1"]


def test_whatever_bytes_are_there_the_answer_is_a_report(cluster: Cluster) -> None:
    chance = random.Random(15)
    paths = [*cluster.files.values(), *(f"base/5/{number}" for number in (1249, 1259))]
    paths += [f"{cluster.files['wide']}_fsm", "pg_xact/0000", "base/5/pg_filenode.map"]
    for _ in range(60):
        path = chance.choice(paths)
        right = (cluster.root / path).read_bytes()
        block = chance.randrange(max(len(right) // PAGE, 1))
        page = bytearray(right[block * PAGE : (block + 1) * PAGE])
        for at in (chance.randrange(min(400, len(page))), chance.randrange(len(page))):
            page[at] = chance.choice((0, 255, chance.randrange(256)))
        is_page = path.startswith("base") and len(page) == PAGE
        cluster.put(path, block, page, right=is_page)
        report = check_directory(cluster.root)
        paths_told = [problem.path for problem in report.problems]
        assert paths_told == sorted(paths_told)
        (cluster.root / path).write_bytes(right)
    assert check_directory(cluster.root).problems == ()
