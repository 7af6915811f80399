"""The deadlock search on pictures of lock tables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.lmgr.deadlock import CycleStep, LockPicture, Wait, find_deadlock
from engine.lmgr.modes import CONFLICTS, LockMode

SHARE = int(LockMode.SHARE)
EXCLUSIVE = int(LockMode.EXCLUSIVE)
ACCESS_EXCLUSIVE = int(LockMode.ACCESS_EXCLUSIVE)
ACCESS_SHARE = int(LockMode.ACCESS_SHARE)


def picture(
    holders: dict[int, list[tuple[int, int]]], queues: dict[int, list[tuple[int, int]]]
) -> LockPicture:
    """Holders by lock as (process, mode), queues by lock as (process, mode)."""
    return LockPicture(
        waits={p: Wait(lock, mode) for lock, queue in queues.items() for p, mode in queue},
        holders={
            lock: [(p, 1 << mode) for p, mode in held] + [(p, 0) for p, _ in queues.get(lock, [])]
            for lock, held in holders.items()
        },
        queues={lock: [p for p, _ in queues.get(lock, [])] for lock in holders},
    )


def test_no_cycle_is_no_deadlock() -> None:
    result = find_deadlock(picture({1: [(1, EXCLUSIVE)]}, {1: [(2, SHARE)]}), 2)
    assert not result.cycle
    assert not result.new_orders


def test_two_that_wait_for_each_other_are_a_hard_deadlock() -> None:
    state = picture(
        {1: [(1, EXCLUSIVE)], 2: [(2, EXCLUSIVE)]}, {1: [(2, SHARE)], 2: [(1, EXCLUSIVE)]}
    )
    assert find_deadlock(state, 1).cycle == [
        CycleStep(1, 2, EXCLUSIVE),
        CycleStep(2, 1, SHARE),
    ]


def test_a_cycle_that_the_process_is_not_part_of_is_left_to_its_members() -> None:
    state = picture(
        {1: [(1, EXCLUSIVE)], 2: [(2, EXCLUSIVE)], 3: [(3, EXCLUSIVE)]},
        {1: [(2, SHARE), (4, SHARE)], 2: [(1, EXCLUSIVE)]},
    )
    assert not find_deadlock(state, 4).cycle


def test_a_cycle_through_the_queue_alone_is_dissolved_by_reordering() -> None:
    # 1 holds ACCESS SHARE on lock 1 and waits for lock 2, held by 3, which waits on lock 1 for
    # ACCESS SHARE behind 2's ACCESS EXCLUSIVE.
    state = picture(
        {1: [(1, ACCESS_SHARE)], 2: [(3, EXCLUSIVE)]},
        {1: [(2, ACCESS_EXCLUSIVE), (3, ACCESS_SHARE)], 2: [(1, EXCLUSIVE)]},
    )
    result = find_deadlock(state, 1)
    assert not result.cycle
    assert result.new_orders == {1: [3, 2]}


@st.composite
def pictures(draw: st.DrawFn) -> LockPicture:
    """Pictures in which processes hold what does not conflict, and each waits once at most."""
    processes = range(1, draw(st.integers(2, 6)) + 1)
    locks = range(1, draw(st.integers(1, 4)) + 1)
    modes = st.sampled_from([int(mode) for mode in LockMode])
    holders: dict[int, list[tuple[int, int]]] = {}
    for lock in locks:
        held: list[tuple[int, int]] = []
        for process in processes:
            if draw(st.booleans()):
                mode = draw(modes)
                if all(not CONFLICTS[mode] >> other & 1 for _, other in held):
                    held.append((process, mode))
        holders[lock] = held
    queues: dict[int, list[tuple[int, int]]] = {lock: [] for lock in locks}
    for process in processes:
        lock = draw(st.sampled_from([0, *locks]))
        if lock and all(p != process for p, _ in holders[lock]):
            queues[lock].append((process, draw(modes)))
    return picture(holders, queues)


def stuck(state: LockPicture) -> set[int]:
    """Who can never go on: simulate, each granted process ending and releasing at once."""
    holders = {lock: dict(held) for lock, held in state.holders.items()}
    queues = {lock: list(queue) for lock, queue in state.queues.items()}
    waiting = dict(state.waits)
    changed = True
    while changed:
        changed = False
        for held in holders.values():
            for process in [p for p in held if p not in waiting]:
                del held[process]
                changed = True
        for lock, queue in queues.items():
            ahead = 0
            for process in list(queue):
                mode = waiting[process].mode
                others = 0
                for holder, mask in holders[lock].items():
                    others |= mask if holder != process else 0
                if not CONFLICTS[mode] & (ahead | others):
                    queue.remove(process)
                    del waiting[process]
                    changed = True
                else:
                    ahead |= 1 << mode
    return set(waiting)


@given(pictures())
def test_checks_by_all_waiters_find_a_deadlock_exactly_when_somebody_is_stuck(
    state: LockPicture,
) -> None:
    for process in sorted(state.waits):
        result = find_deadlock(state, process)
        if result.cycle:
            assert process in stuck(state)
            steps = result.cycle
            assert steps[0].process == process
            assert len({step.process for step in steps}) == len(steps)
            return
        for lock, order in result.new_orders.items():
            assert sorted(order) == sorted(state.queues[lock])
            state.queues[lock] = order
    assert not stuck(state)
