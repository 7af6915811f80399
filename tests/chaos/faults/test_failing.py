"""The controller's part in a failing disk: what it gives back, and what it does not overlook."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaos.faults.disk.failing import DiskFailures
from chaos.faults.striking import Strike
from chaos.history import History
from chaos.plan import Fault, Where
from chaos.reaction import Watch

FULL = '[1004] ERROR:  could not extend file "base/5/16384": No space left on device'


class FakeTarget:
    """A server of which only the disk and the log are of interest."""

    name = "fake"
    wal_segment_mb = 1

    def __init__(self) -> None:
        self.limits: list[int | None] = []
        self.log = SimpleNamespace(news=self._news)
        self.lines: list[str] = []

    def _news(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines

    def exit_status(self) -> int | None:
        """It runs."""
        return None

    def limit_disk(self, size: int) -> None:
        """So many bytes are left."""
        self.limits.append(size)

    def unlimit_disk(self) -> None:
        """All are."""
        self.limits.append(None)

    def where_struck(self, _number: int) -> dict[str, Any]:
        """Nowhere."""
        return {}

    def arm(self, *_: Any) -> int:
        """Never asked."""
        raise NotImplementedError

    has_struck = disarm = casualties = arm


def parts(pump: Any) -> tuple[FakeTarget, SimpleNamespace, Watch]:
    """A target, a driver whose clients do what `pump` says, and a watch over both."""
    target: Any = FakeTarget()
    waiting: Any = SimpleNamespace(now_s=lambda: 0.0)
    driver: Any = SimpleNamespace(
        history=History(lambda: 0.0), waiting=waiting, losses=[], pump=pump, drain=lambda _s: True
    )
    return target, driver, Watch(target, driver, 30.0)


def fill(target: Any, driver: Any, watch: Watch) -> Strike:
    """Let the disk be full."""
    placer: Any = SimpleNamespace(reaction=None)
    striker: Any = SimpleNamespace(begin=Strike)
    failures = DiskFailures(target, driver, striker, placer, watch, lambda: None)
    fault = Fault("disk-full", Where("started", 1), disk="quota 8192 for 5ms")
    return failures.strike(fault)[0]


def notes(driver: Any) -> list[str]:
    """The notes in the history."""
    return [event.f for event in driver.history]


def test_a_disk_that_was_filled_has_room_again_and_its_licence_ends() -> None:
    def pump(_seconds: float, until: Any = None) -> bool:
        target.lines.append(FULL)
        return until is None or until()

    target, driver, watch = parts(pump)
    driver.waiting.now_s = iter(range(100)).__next__
    strike = fill(target, driver, watch)
    assert target.limits == [8192, None]  # FAIL-2
    assert notes(driver) == ["licence", "licence-ends"]  # FAIL-1
    assert strike.struck
    assert strike.disk["error"] == "quota"


def test_room_is_given_back_though_the_run_breaks_down() -> None:
    def pump(_seconds: float, _until: Any = None) -> bool:
        raise KeyboardInterrupt

    target, driver, watch = parts(pump)
    with pytest.raises(KeyboardInterrupt):
        fill(target, driver, watch)
    assert target.limits == [8192, None]  # FAIL-2


def test_room_enough_is_no_fault() -> None:
    target, driver, watch = parts(lambda _seconds, until=None: until is None)
    strike = fill(target, driver, watch)
    assert not strike.struck
    assert strike.missed == "8192 bytes were room enough"
    assert strike.disk == {}


@pytest.mark.parametrize(
    "line",
    [
        FULL,
        '[9] LOG:  could not fsync file "base/5/1": Input/output error',
        "[9] WARNING:  page verification failed, calculated checksum 1 but expected 2",
        "[9] FATAL:  incorrect checksum in control file",
    ],
)
def test_an_error_of_the_disk_is_noticed_while_nobody_did_anything_to_it(line: str) -> None:
    target, _, watch = parts(lambda *_: True)
    target.lines = ["[9] LOG:  checkpoint complete", line]
    assert watch.calm() == [line]
    assert watch.calm() == []
