"""Power losses in whole runs: what must survive does, what must not be seen is seen, and the bundle
tells what the disk did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaos.bundle import DATA
from chaos.cli.commands import commands
from chaos.disk.image import Image
from chaos.doublecheck import SAME, run_twice
from chaos.losses import FILE
from chaos.oracle import DEFAULT_SUITE
from chaos.plan import NOTHING_KEPT, Cycle, Fault, Plan, Where, Wishes, make_plan
from chaos.replay import changed_since, read_bundle, replay_bundle
from chaos.report.observer import Silent
from chaos.report.words import verdict_line
from chaos.session import Session, open_session

IN_A_CHECKPOINT = "checkpointer checkpoint-buffers-written: kill all"
WISHES = Wishes(faults=("power-loss",), clients=2, workload="bank", cycles=1)


def power_loss(at: str = IN_A_CHECKPOINT, **more: Any) -> Fault:
    """One that comes under load, after a few operations."""
    occasion = "load" if at else ""
    return Fault("power-loss", Where("started", 25), placed=at, occasion=occasion, **more)


def plan_of(*faults: Fault, profile: str = "strict", **settings: str) -> Plan:
    """A short run with these faults and settings, and no others."""
    return replace(
        make_plan(7, WISHES),
        cycles=tuple(Cycle(at, fault, None, 5) for at, fault in enumerate(faults, 1)),
        settings=settings,
        wal_segment_mb=1,
        liveness_operations=10,
        profile=profile,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where bundles go."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def session(out: Path) -> Iterator[Session]:
    """For all runs of this file."""
    with open_session(WISHES, DEFAULT_SUITE, out, Silent()) as one:
        yield one


def test_acknowledged_commits_survive_power_losses_one_after_the_other(session: Session) -> None:
    again = ("startup redo-record-applied 3: kill all", "startup fsync 2: kill all")
    never = ("startup redo-record-applied 100000: kill all",)
    plan = plan_of(power_loss(then=again, choice=1), power_loss("", then=never, kept=NOTHING_KEPT))
    result = session.run(plan, "")
    assert (result["verdict"], result["reason"]) == ("held", "")
    losses = [(loss["cycle"], loss["profile"]) for loss in result["power_losses"]]
    assert losses == [(1, "strict")] * 3 + [(2, "strict")]  # OUTAGE-2: nobody came a second time
    assert result["kills"] == {"power-loss": 4}
    assert result["power_losses"][0]["pending"] > 0
    assert result["power_losses"][3]["kept"] == 0
    assert result["lost"] == []


def test_what_the_disk_keeps_depends_on_the_fault_alone(session: Session) -> None:
    """OUTAGE-1: the same plan leaves the same images, another seed of the choice others."""
    result = run_twice(session, plan_of(power_loss(choice=1)), "")
    assert result["doublecheck"] == SAME
    other = session.run(plan_of(power_loss(choice=2)), "")
    (one,), (another,) = result["power_losses"], other["power_losses"]
    assert one["step"] == another["step"]
    assert one["image"] != another["image"]
    assert result["digest"] != other["digest"]


def test_asynchronous_commits_lose_an_end_that_is_told(session: Session) -> None:
    fault = power_loss("", kept=NOTHING_KEPT)
    result = session.run(plan_of(fault, synchronous_commit="off", wal_writer_delay="1s"), "")
    assert (result["verdict"], result["reason"]) == ("held", "")
    (lost,) = result["lost"]
    assert lost["cycle"] == 1
    assert 0 < lost["transactions"] <= result["acknowledged"]
    assert f"lost {lost['transactions']} of them in a crash" in verdict_line(result)


@pytest.fixture(scope="module")
def violated(session: Session) -> Mapping[str, Any]:
    """The result of a run without fsync."""
    return session.run(plan_of(power_loss(kept=NOTHING_KEPT), fsync="off"), "")


def test_a_server_without_fsync_is_seen_to_lose_what_it_promised(
    violated: Mapping[str, Any],
) -> None:
    assert violated["verdict"] == "violated"
    assert violated["violations"][0]["kind"] == "error 42P01"
    assert "OUT OF CONTRACT" not in verdict_line(violated)


def test_the_bundle_has_the_crash_image_and_what_was_lost(violated: Mapping[str, Any]) -> None:
    bundle = Path(violated["bundle"])
    found = json.loads((bundle / FILE).read_text())
    assert (found["profile"], found["in_contract"], found["atom"]) == ("strict", True, 512)
    (loss,) = found["losses"]
    assert loss["image"] == Image.read(bundle / "data-crash").digest()
    assert loss["image"] != Image.read(bundle / DATA).digest()
    operations = {file["path"]: file["operations"] for file in loss["files"]}
    first = operations["base/5/16384"][0]
    assert (first["kind"], first["fate"]) == ("create", "lost")
    assert first["site"].startswith("engine/storage/")
    assert all(one["fate"] == "lost" for file in operations.values() for one in file)


def test_a_replay_leaves_the_same_image(violated: Mapping[str, Any]) -> None:
    bundle = read_bundle(Path(violated["bundle"]))
    replayed = replay_bundle(bundle, changed_since(bundle), Silent())
    assert replayed.same_digest is True
    assert replayed.result["power_losses"] == violated["power_losses"]


def test_a_disk_that_lies_is_seen_and_said_to_be_out_of_contract(session: Session) -> None:
    fault = power_loss("", kept=NOTHING_KEPT)
    result = session.run(plan_of(fault, profile="lying-fsync"), "")
    assert result["verdict"] == "violated"
    assert not result["power_losses"][0]["in_contract"]
    assert "OUT OF CONTRACT: profile lying-fsync" in verdict_line(result)


# chaos disk show ---------------------------------------------------------------------------------


def ask(*words: object) -> Result:
    """`chaos` with these words."""
    return CliRunner().invoke(commands, [str(word) for word in words])


def test_disk_show_tells_each_operation_its_place_and_its_fate(
    violated: Mapping[str, Any],
) -> None:
    shown = ask("disk", "show", violated["bundle"])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert lines[0].startswith("profile strict (in contract): ")
    pending = violated["power_losses"][0]["pending"]
    assert f"{pending} operations not durable: {pending} lost" in shown.output
    at = lines.index("base/5/16384")
    assert lines[at + 1].split()[:4] == ["operation", "step", "by", "what"]
    words = lines[at + 2].split()
    assert words[2:5] == ["backend", "create", "lost"]
    assert words[5].startswith("engine/storage/")


def test_disk_show_as_json_is_what_the_bundle_has(violated: Mapping[str, Any]) -> None:
    shown = ask("disk", "show", violated["bundle"], "--json", "--loss", 1)
    assert json.loads(shown.output) == json.loads((Path(violated["bundle"]) / FILE).read_text())


def test_disk_show_says_what_is_missing(violated: Mapping[str, Any], tmp_path: Path) -> None:
    shown = ask("disk", "show", violated["bundle"], "--loss", 2)
    assert (shown.exit_code, "there were 1 power losses, not 2" in shown.output) == (2, True)
    shown = ask("disk", "show", tmp_path)
    assert (shown.exit_code, f"has no {FILE}" in shown.output) == (2, True)
    (tmp_path / FILE).write_text("{}")
    shown = ask("disk", "show", tmp_path)
    assert (shown.exit_code, "does not tell of power losses" in shown.output) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--faults", "power-loss", "--target", "postgres"], "engine has: --target engine"),
        (["--faults", "backend,power-loss", "--schedule", "free"], "--schedule baton"),
        (["--faults", "power-loss", "--profile", "none"], "'strict', 'ext4-ordered'"),
        (["--faults", "backend", "--profile", "strict"], "none is in play"),
        (["--schedule", "free", "--profile", "strict"], "on the schedule baton only"),
    ],
)
def test_wrong_usage_is_said(words: list[str], said: str) -> None:
    result = ask("run", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("\u2502", " ").split())
