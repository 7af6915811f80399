"""What happens at the ends of the world's tables. Slots, faults, names and channels have their
tests beside what they belong to.
"""

from __future__ import annotations

import errno

import pytest

from chaos.host import BatonHost
from chaos.scheduler.calls import CALL_NAMES, CALLS, ROLES
from chaos.scheduler.layout import (
    BLOCK,
    BYTES,
    FIELDS,
    FREE,
    HEADER_WORDS,
    KILL_LOG,
    KILLS_LOGGED,
    LATCHES,
    MUTEXES,
    RING,
    SLOTS,
    STOPPED,
    Layout,
)
from chaos.scheduler.strategies import STARVING
from tests.chaos.stage import Stage
from tests.host_contract.children import exit_statuses


def test_no_two_tables_overlap() -> None:
    layout = Layout(memoryview(bytearray(BYTES)))
    tables = {
        name: view
        for name, view in vars(layout).items()
        if isinstance(view, memoryview) and name not in ("memory", "words")
    }
    tables |= {f"field {number}": field for number, field in enumerate(layout.fields)}
    assert len(tables) >= FIELDS + 10
    for name, view in tables.items():
        layout.memory[:] = bytes(BYTES)
        view.cast("B")[:] = b"\xff" * view.nbytes
        others = [other for other in tables if other != name and any(tables[other].cast("B"))]
        assert others == []
        if name != "random":
            assert not any(layout.words[: HEADER_WORDS - 1]), "nor over the header"


def test_the_numbers_fit_into_their_fields() -> None:
    assert max(CALL_NAMES) < CALLS <= 256
    assert len(ROLES) * CALLS * 12 % 8 == 0
    assert SLOTS < 255, "255 is nobody, in a step"
    assert SLOTS % 8 == 0
    assert STOPPED > FREE + 3
    assert RING == 2 * BLOCK
    assert STARVING > BLOCK, "who starves is seen at the end of a block at the latest"


def test_more_latches_than_there_are_is_an_error_of_the_system(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        with pytest.raises(OSError, match=f"{LATCHES} latches") as caught:
            host.create_latches(LATCHES + 1)
        assert caught.value.errno == errno.ENOMEM
        host.create_latches(LATCHES)
        host.wake(LATCHES - 1)
        with pytest.raises(IndexError):
            host.wake(LATCHES)

    stage.play(scene)


def test_more_mutexes_than_there_are_is_an_error_of_the_system(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        with pytest.raises(OSError, match=f"{MUTEXES} mutexes") as caught:
            host.create_mutexes(MUTEXES + 1)
        assert caught.value.errno == errno.ENOMEM
        assert len(host.create_mutexes(MUTEXES)) == MUTEXES

    stage.play(scene)


def test_new_mutexes_are_free_though_all_numbers_were_used(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        for _ in range(5):
            mutexes = host.create_mutexes(MUTEXES // 2 - 1)
            for mutex in (mutexes[0], mutexes[-1]):
                mutex.acquire()

    stage.play(scene)


def test_a_role_that_nobody_foresaw_is_one_of_the_others(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("soothsayer", 1, lambda: host.stat("file") and None)
        assert exit_statuses(host, 1) == [0]

    stage.play(scene)
    assert stage.world.reached()["other"]["stat"] == 1


def test_of_many_kills_the_last_are_known(stage: Stage) -> None:
    def scene(host: BatonHost) -> None:
        host.create_latches(2)
        host.fork("backend", 1, lambda: host.stat("file") and None)
        assert exit_statuses(host, 1) == [None]

    stage.world.layout.words[KILLS_LOGGED] = KILL_LOG + 7
    stage.arm("backend stat: kill")
    stage.play(scene)
    assert len(stage.world.kills_since(0)) == KILL_LOG
    [last] = stage.world.kills_since(KILL_LOG + 7)
    assert (last.role, last.call) == ("backend", "stat")
