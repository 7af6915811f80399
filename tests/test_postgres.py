"""The scratch cluster itself: it starts as an ordinary user, answers, and leaves nothing behind."""

from __future__ import annotations

from tests.postgres import find_program, require_postgres, scratch_cluster


def test_a_program_that_does_not_exist_is_not_found() -> None:
    assert find_program("pg_no_such_program") is None


def test_scratch_cluster_answers_and_leaves_nothing_behind() -> None:
    require_postgres("psql")
    with scratch_cluster("-c", "wal_level=minimal", "-c", "max_wal_senders=0") as cluster:
        assert cluster.psql("show server_version_num").startswith("15")
        assert cluster.psql("show wal_level") == "minimal"
        assert cluster.is_running()
    assert not cluster.data.exists()
