"""Recoverers: what they answer is what a server would, the same each time, whatever became of the
image before. RECOVERY-1 to RECOVERY-3."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import psutil
import pytest

from chaos.disk.content import Content
from chaos.disk.image import Image
from chaos.disk.log import read_log
from chaos.disk.model import Disk
from chaos.disk.operations import Kind
from chaos.disk.profiles import PROFILES
from chaos.explore.recovery import Recovered, Recoverer, RecovererBroken
from chaos.explore.recovery_process import Server as ServerNames
from tests.chaos.explore.clusters import AUDIT, Cluster
from tests.server import Server

CONTROL = "global/pg_control"
SEGMENT = "pg_wal/000000010000000000000001"


def rows(recovered: Recovered) -> list[tuple[str | None, ...]]:
    assert recovered.ok, recovered
    return recovered.answers[1].rows


def changed(image: Image, path: str, content: Content | None) -> Image:
    """The image with other content in one file, or without it."""
    files = {name: old for name, old in image.files.items() if name != path}
    if content is not None:
        files[path] = content
    return Image(image.directories, files, image.links)


def with_flipped_byte(image: Image, path: str, at: int) -> Image:
    data = bytearray(image.files[path].data)
    data[at] ^= 0xFF
    return changed(image, path, Content.of(bytes(data)))


def test_what_was_committed_is_there_and_nothing_else(
    recoverer: Recoverer, cluster: Cluster
) -> None:
    for number, image in enumerate(cluster.at):
        expected = [str(row) for row in range(1, number + 1)]
        assert [row[0] for row in rows(recoverer.recover(image, AUDIT))] == expected


def test_the_answers_are_those_of_a_server_that_starts_on_the_image(
    recoverer: Recoverer, cluster: Cluster
) -> None:
    image = cluster.at[-2]
    with tempfile.TemporaryDirectory(prefix="exp") as directory:
        image.write(Path(directory) / "data")
        server = Server(Path(directory) / "data", Path(directory))
        server.start()
        expected = server.query(AUDIT[1])
        server.stop("fast")
    answered = rows(recoverer.recover(image, AUDIT))
    assert [(int(a or ""), b) for a, b in answered] == expected
    assert len(answered) == 11


def test_the_same_image_gives_the_same_answers_and_the_same_bytes(
    recoverer: Recoverer, cluster: Cluster
) -> None:
    """RECOVERY-3, RECOVERY-1: whatever was recovered before, and by whom."""
    first = [recoverer.recover(image, AUDIT) for image in cluster.at]
    shuffled = list(range(len(cluster.at)))
    random.Random(1).shuffle(shuffled)
    with Recoverer(cluster.at[5], AUDIT) as other:
        for number in shuffled:
            again = other.recover(cluster.at[number], AUDIT)
            assert again == first[number]
            assert again.after.digest() == first[number].after.digest()


def test_what_is_there_after_a_recovery_is_known_to_the_byte(
    recoverer: Recoverer, cluster: Cluster
) -> None:
    for image in (cluster.at[3], cluster.at[12], with_flipped_byte(cluster.at[7], SEGMENT, 99)):
        recovered = recoverer.recover(image, AUDIT, shut_down=True)
        assert Image.read(recoverer.directory) == recovered.after


def test_a_shutdown_leaves_what_needs_no_recovery(recoverer: Recoverer, cluster: Cluster) -> None:
    stopped = recoverer.recover(cluster.at[-1], shut_down=True)
    again = recoverer.recover(stopped.after, AUDIT)
    assert rows(again) == rows(recoverer.recover(cluster.at[-1], AUDIT))
    assert not any("redo starts" in line for line in again.log)


@pytest.mark.parametrize(
    ("path", "level"), [(CONTROL, "FATAL"), (SEGMENT, "PANIC"), ("postgresql.conf", "FATAL")]
)
def test_an_image_that_cannot_be_recovered_is_an_outcome_and_the_next_one_is_recovered(
    recoverer: Recoverer, cluster: Cluster, path: str, level: str
) -> None:
    recovered = recoverer.recover(changed(cluster.at[4], path, None), AUDIT)
    assert not recovered.ok
    assert recovered.failure is not None
    assert recovered.failure.level == level
    assert Path(path).name in str(recovered.failure) + "\n".join(recovered.log)
    assert len(rows(recoverer.recover(cluster.at[4], AUDIT))) == 4


def test_random_damage_never_breaks_the_recoverer(recoverer: Recoverer, cluster: Cluster) -> None:
    """RECOVERY-2."""
    chance = random.Random(4)
    paths = [path for path, content in cluster.at[6].files.items() if content.size]
    for _ in range(25):
        path = chance.choice(paths)
        at = chance.randrange(min(cluster.at[6].files[path].size, 40000))
        recoverer.recover(with_flipped_byte(cluster.at[6], path, at), AUDIT)
        assert Image.read(recoverer.directory) == recoverer.there
    assert len(rows(recoverer.recover(cluster.at[6], AUDIT))) == 6


def test_a_statement_that_fails_is_told_with_its_sqlstate_and_ends_the_answers(
    recoverer: Recoverer, cluster: Cluster
) -> None:
    recovered = recoverer.recover(cluster.base, ["SELECT 1", "SELECT nothing", "SELECT 2"])
    assert recovered.failure is None
    assert [answer.tag for answer in recovered.answers] == ["SELECT 1"]
    assert recovered.error is not None
    assert recovered.error.sqlstate == "42703"
    assert not recovered.ok


def test_the_io_log_says_what_the_recovery_did_to_the_files(
    recoverer: Recoverer, cluster: Cluster, tmp_path: Path
) -> None:
    for image in (cluster.at[5], cluster.at[12]):
        plain = recoverer.recover(image, AUDIT, shut_down=True)
        logged = recoverer.recover(image, AUDIT, shut_down=True, io_log=tmp_path / "io.log")
        assert logged.after.digest() == plain.after.digest()
        assert logged.answers == plain.answers
        operations, _ = read_log(tmp_path / "io.log")
        assert logged.before is not None
        disk = Disk(logged.before, PROFILES["strict"])
        for operation in operations:
            disk.apply(operation)
        assert disk.cached().digest() == logged.after.digest()
        assert 0 < logged.recovered_at < len(operations)
        checkpoint = operations[logged.recovered_at - 1]
        assert {each.role for each in operations} == {"single-user"}
        assert checkpoint.kind is Kind.FSYNC
        assert checkpoint.path == CONTROL
        assert checkpoint.site.startswith("engine/recovery/control.py: write_control_file:")


def test_what_a_crash_in_a_recovery_leaves_is_recovered_too(
    recoverer: Recoverer, cluster: Cluster, tmp_path: Path
) -> None:
    expected = rows(recoverer.recover(cluster.at[9], AUDIT))
    first = recoverer.recover(cluster.at[9], io_log=tmp_path / "io.log")
    operations, _ = read_log(tmp_path / "io.log")
    assert first.before is not None
    for end in range(0, first.recovered_at, 7):
        disk = Disk(first.before, PROFILES["strict"])
        for operation in operations[:end]:
            disk.apply(operation)
        assert rows(recoverer.recover(disk.durable(), AUDIT)) == expected
        assert rows(recoverer.recover(disk.cached(), AUDIT)) == expected


@pytest.mark.parametrize(
    ("server", "level", "message"),
    [
        ("Hanging", "HANG", "no end after 0.5 s"),
        ("Waiting", "UNFORESEEN", "waits for somebody to wake it"),
        ("Killed", "DIED", "signal 9"),
        ("Leaving", "DIED", "exit status 7"),
        ("Panicking", "PANIC", "could not read (The disk is gone.)"),
        ("Broken", "PANIC", "WAL-1: not so"),
        ("Surprised", "UNFORESEEN", "KeyError"),
        ("Greedy", "UNFORESEEN", "MemoryError"),
        ("Forgetful", "DIED", "signal 9"),
    ],
)
def test_whatever_becomes_of_a_recovery_is_said(
    cluster: Cluster, server: str, level: str, message: str
) -> None:
    """RECOVERY-2."""
    servers = "tests.chaos.explore.servers"
    names = ServerNames(f"{servers}:{server}", f"{servers}:prepare")
    with Recoverer(cluster.base, server=names, seconds=0.5) as recoverer:
        for _ in range(2):
            failure = recoverer.recover(cluster.at[1]).failure
            assert failure is not None
            assert failure.level == level
            assert message in failure.message
            assert Image.read(recoverer.directory) == recoverer.there


def test_a_patch_changes_the_server_in_every_recovery(cluster: Cluster) -> None:
    patch = "tests.chaos.explore.servers:fail_to_redo of no use"
    stopped = cluster.at[0]
    with Recoverer(stopped, patches=[patch]) as recoverer:
        for image in cluster.at[2:4]:
            failure = recoverer.recover(image).failure
            assert failure is not None
            assert str(failure) == "PANIC XX000: of no use"


def test_settings_go_over_those_of_the_image(cluster: Cluster) -> None:
    with Recoverer(cluster.base, settings={"statement_timeout": "5s"}) as recoverer:
        statements = ["SHOW statement_timeout", "SHOW max_connections"]
        recovered = recoverer.recover(cluster.at[1], statements)
        assert [answer.rows for answer in recovered.answers] == [[("5s",)], [("20",)]]


def test_a_recoverer_whose_processes_are_gone_says_so(cluster: Cluster) -> None:
    with Recoverer(cluster.base, AUDIT) as recoverer:
        for process in psutil.Process().children(recursive=True):
            process.kill()
        with pytest.raises(RecovererBroken):
            recoverer.recover(cluster.base, AUDIT)


def test_nothing_is_left_behind(cluster: Cluster) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with Recoverer(cluster.base, AUDIT) as one:
        directory = one.directory
        assert directory.exists()
    left = {process.pid for process in psutil.Process().children(recursive=True)} - before
    assert not left
    assert not os.path.exists(directory.parent)
