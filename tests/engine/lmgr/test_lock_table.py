"""The lock table of several processes, without waiting: who gets what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import InvariantViolation, SqlError
from engine.lmgr.lock_tag import LockTag
from engine.lmgr.modes import LockMode, conflict
from tests.engine.lmgr.conftest import Cluster

TABLE = LockTag.relation(5, 16384)

operations = st.lists(
    st.tuples(
        st.integers(9, 12),
        st.sampled_from(["acquire", "acquire", "acquire", "release", "release_all"]),
        st.integers(0, 3),
        st.sampled_from(list(LockMode)),
    ),
    max_size=60,
)


@given(steps=operations)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_lock_is_granted_exactly_when_no_other_process_holds_a_conflicting_mode(
    cluster: Cluster, steps: list[tuple[int, str, int, LockMode]]
) -> None:
    tables = {slot: cluster.table(slot) for slot in range(9, 13)}
    held: dict[tuple[int, int, LockMode], int] = {}
    for slot, operation, number, mode in steps:
        tag = LockTag.tuple(5, 16384, number, 1)
        key = (slot, number, mode)
        if operation == "acquire":
            free = not any(
                count and owner != slot and where == number and conflict(mode, other)
                for (owner, where, other), count in held.items()
            )
            assert tables[slot].acquire(tag, mode, wait=False) == free
            if free:
                held[key] = held.get(key, 0) + 1
        elif operation == "release" and held.get(key):
            tables[slot].release(tag, mode)
            held[key] -= 1
        elif operation == "release_all":
            tables[slot].release_all()
            held = {one: count for one, count in held.items() if one[0] != slot}
        assert tables[slot].holds(tag, mode) == bool(held.get(key))
    shown = {(row.slot, row.tag.field3, row.mode) for row in tables[9].status()}
    assert shown == {key for key, count in held.items() if count}
    for table in tables.values():
        table.release_all()
    assert tables[9].status() == []


def test_a_released_table_has_its_room_back(small_cluster: Cluster) -> None:
    table = small_cluster.table(9)
    for _ in range(3):
        for number in range(100):
            table.acquire(LockTag.relation(5, number), LockMode.ACCESS_SHARE)
        table.release_all()


def test_a_full_table_refuses_with_out_of_shared_memory(small_cluster: Cluster) -> None:
    table = small_cluster.table(9)
    for number in range(100):
        table.acquire(LockTag.relation(5, number), LockMode.ACCESS_SHARE)
    with pytest.raises(SqlError) as refused:
        table.acquire(TABLE, LockMode.ACCESS_SHARE)
    assert refused.value.sqlstate == "53200"
    assert refused.value.message == "out of shared memory"
    assert refused.value.hint == "You might need to increase max_locks_per_transaction."
    table.release_all()
    assert table.acquire(TABLE, LockMode.ACCESS_SHARE)


def test_to_release_what_is_not_held_is_a_broken_invariant(cluster: Cluster) -> None:
    with pytest.raises(InvariantViolation, match="LOCK-4"):
        cluster.table(9).release(TABLE, LockMode.SHARE)


def test_a_process_does_not_block_itself(cluster: Cluster) -> None:
    table = cluster.table(9)
    for mode in LockMode:
        assert table.acquire(TABLE, mode, wait=False)


def test_tags_have_postgresqls_names(tmp_path: Path) -> None:
    assert TABLE.describe() == "relation 16384 of database 5"
    assert LockTag.transaction(735).describe() == "transaction 735"
    assert LockTag.tuple(5, 16384, 3, 7).describe() == "tuple (3,7) of relation 16384 of database 5"
    assert (
        LockTag.relation_extension(5, 16384).describe()
        == "extension of relation 16384 of database 5"
    )
    assert LockTag.object(5, 2615, 2200).describe() == "object 2200 of class 2615 of database 5"
    assert LockTag.advisory(5, 0, 42, 1).describe() == "advisory lock [5,0,42,1]"
