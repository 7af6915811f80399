"""The operation whose loss is enough, on logs that were made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaos.disk.choice import Choice
from chaos.disk.image import Image
from chaos.disk.model import Disk
from chaos.explore.minimising import Minimal, masks_of, minimise
from chaos.oracle import Violation
from tests.chaos.disk.bench import Bench
from tests.chaos.explore.made_up import SECTOR, a_bench

WRONG = ("durability", "lost")


def a_log(writes: int = 12) -> Bench:
    bench = a_bench()
    for number in range(writes):
        bench.write("a", number * 2 * SECTOR, bytes([number + 1]) * 2 * SECTOR)
    return bench


def sectors(image: Image) -> list[int]:
    data = image.files["a"].data
    return [data[at] if at < len(data) else 0 for at in range(0, 24 * SECTOR, SECTOR)]


def checker(
    disk: Disk, is_wrong: Callable[[list[int]], bool]
) -> Callable[[Choice], Sequence[Violation]]:
    def check(choice: Choice) -> Sequence[Violation]:
        wrong = is_wrong(sectors(disk.crash(choice)))
        return [Violation(WRONG[0], "x", {}, WRONG[1])] if wrong else []

    return check


def minimal(bench: Bench, choice: Choice | None, is_wrong: Callable[[list[int]], bool]) -> Minimal:
    assert choice is not None
    return minimise(bench.disk, choice, WRONG, checker(bench.disk, is_wrong))


def numbers(found: Minimal) -> list[tuple[str, int]]:
    return [(cause.fate, cause.operation.number) for cause in found.causes]


def test_the_one_operation_whose_loss_is_enough_is_found_among_many_that_are_lost() -> None:
    bench = a_log()
    found = minimal(bench, bench.disk.all_lost(), lambda s: s[10] != 6)
    assert numbers(found) == [("lost", 5)]
    assert masks_of(found.choice, bench.disk.pending).count(0) == 1


def test_a_torn_operation_is_told_from_a_lost_one() -> None:
    bench = a_log()
    torn = bench.disk.torn(3, [0], size=True)
    found = minimal(bench, torn, lambda s: s[6] == 4 and s[7] == 0)
    assert numbers(found) == [("torn", 3)]
    assert found.causes[0].mask & 0b11 == 0b01


def test_operations_that_must_be_lost_together_are_all_named_and_no_others() -> None:
    bench = a_log()
    found = minimal(bench, bench.disk.all_lost(), lambda s: s[4] != 3 and s[16] != 9)
    assert numbers(found) == [("lost", 2), ("lost", 8)]


def test_what_must_be_kept_is_named_where_that_is_shorter() -> None:
    bench = a_log()

    def is_wrong(found: list[int]) -> bool:
        return found[10] == 6 and all(found[at] == 0 for at in (0, 4, 8, 12, 16, 20))

    found = minimal(bench, bench.disk.only_kept(5), is_wrong)
    assert numbers(found) == [("kept", 5)]


def test_a_violation_that_needs_no_loss_has_no_cause() -> None:
    bench = a_log()
    found = minimal(bench, bench.disk.all_lost(), lambda _: True)
    assert numbers(found) == []
    assert found.choice == bench.disk.all_kept()


def test_another_violation_is_not_taken_for_the_same() -> None:
    bench = a_log()
    disk = bench.disk

    def check(choice: Choice) -> Sequence[Violation]:
        seen = sectors(disk.crash(choice))
        kinds = ["lost"] if seen[0] != 1 else ["risen"] if seen[2] != 2 else []
        return [Violation("durability", "x", {}, kind) for kind in kinds]

    found = minimise(disk, disk.all_lost(), WRONG, check)
    assert numbers(found) == [("lost", 0)]


def test_tries_are_bounded() -> None:
    bench = a_log()
    found = minimise(
        bench.disk, bench.disk.all_lost(), WRONG,
        checker(bench.disk, lambda s: sum(1 for one in s if one) < 3), most_tries=7,
    )  # fmt: skip
    assert found.tries <= 7
