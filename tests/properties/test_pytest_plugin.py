"""The pytest plugin: crash properties hold, fail on a planted bug, and say how to do it again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from properties import crash_property

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "example" / "test_crashes.py"
GUIDE = ROOT / "docs" / "crash-properties.md"
BUG = "commit-before-flush"
BOUND_S = 120

SHORT = """
from properties import crash_property

@crash_property(workload="bank", faults=("backend",), seeds={seeds}, cycles=1, clients=2)
def test_it(cluster, history{fixtures}):
    {body}
"""


@pytest.fixture
def short(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Where a suite of one property with short runs is written and run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def write(pytester: pytest.Pytester, body: str, seeds: object = 1, fixtures: str = "") -> None:
    """The suite."""
    pytester.makepyfile(SHORT.format(body=body, seeds=seeds, fixtures=fixtures))


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """In a process of its own, as a user does it."""
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=BOUND_S)


def test_the_example_of_the_guide_is_seen_failing_on_a_planted_bug(
    short: pytest.Pytester,
) -> None:
    shutil.copy(EXAMPLE, short.path / EXAMPLE.name)
    chosen = ("-k", "acknowledged", "--junitxml", "crashes.xml")
    assert run(short, *chosen, "--chaos-seeds", "2..2").ret == 0
    broken = run(short, *chosen, "--chaos-seeds", "1..3", "--chaos-mutant", BUG)
    assert broken.ret == 1
    said = broken.stdout.str()
    again = re.search(r"run it again: pytest (\S+) --chaos-seeds (\d+)\.\.\2 (.+)", said)
    assert again is not None
    assert again[3] == f"--chaos-mutant {BUG}"
    bundle = short.path / "chaos-out" / f"seed-{again[2]}"
    assert (bundle / "history.jsonl").exists()
    cases = ElementTree.parse(short.path / "crashes.xml").getroot().iter("testcase")
    told = [{one.get("name"): one.get("value") for one in case.iter("property")} for case in cases]
    failed = next(one for one in told if one["chaos_seed"] == again[2])
    assert failed["chaos_verdict"] == "violated"
    assert (
        failed["chaos_replay"]
        == f"pytest {again[1]} --chaos-seeds {again[2]}..{again[2]} {again[3]}"
    )
    repeated = run(short, again[1], "--chaos-seeds", f"{again[2]}..{again[2]}", *again[3].split(),
                   "--junitxml", "again.xml")  # fmt: skip
    assert repeated.ret == 1
    text = (short.path / "again.xml").read_text(encoding="utf-8")
    assert str(failed["chaos_digest"]) in text


def test_the_properties_of_the_guide_are_those_of_the_example() -> None:
    block = GUIDE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    body = block.split("def ")[1]
    assert body.strip() in EXAMPLE.read_text(encoding="utf-8")
    assert len(block.splitlines()) < 20


def test_an_assertion_that_fails_is_a_violation_with_its_own_lines_shown(
    short: pytest.Pytester,
) -> None:
    write(short, "assert cluster.query('SELECT count(*), 2.5, true FROM ledger') == 'nothing'")
    result = run(short)
    assert result.ret == 1
    said = result.stdout.str()
    assert "assert cluster.query(" in said
    assert "property: assert [(" in said
    assert "chaos/run.py" not in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("cluster.query('SELECT nothing FROM nowhere')", "42P01 relation*nowhere*does not exist"),
        ("cluster.query('DELETE FROM accounts')", "25006 *read-only transaction"),
        ("return False", "test_it returned False: it has to assert"),
    ],
)
def test_an_error_in_the_function_is_its_own_and_no_violation(
    short: pytest.Pytester, body: str, said: str
) -> None:
    write(short, body)
    result = run(short)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{said}*", "*test_it?seed-1?: error in the test"])
    assert "harness broken" not in result.stdout.str()
    assert "chaos/inspection.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workload": "bnak"}, "there is no workload 'bnak'; there are append, bank"),
        ({"faults": "backnd"}, "there is no fault 'backnd'"),
        ({"profile": "zfs"}, "there is no profile 'zfs'"),
        ({"schedule": "fast"}, "there is no schedule 'fast'; there are baton, free"),
        ({"target": "oracle"}, "oracle"),
        ({"suite": "no.such:suite"}, "there is no module 'no.such'"),
        ({"seeds": "1..3"}, "seeds is '1..3'"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": 1.5}, "seeds is 1.5"),
        ({"cycles": 0}, "cycles is 0, and must be at least 1"),
        ({"clients": 500}, "clients is 500, and must be from 1 to 30"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        crash_property(**given)


def test_a_group_of_faults_is_what_it_is_on_the_command_line() -> None:
    @crash_property(faults="kill,power-loss")
    def property_of_all(cluster: object, history: object) -> None:
        """Holds."""

    own = property_of_all.__dict__["crash_property"]
    assert {"backend", "postmaster", "power-loss"} <= set(own.wishes.faults)


def test_a_planted_bug_has_to_be_seen_by_the_property_itself(short: pytest.Pytester) -> None:
    write(short, "pass", seeds=3)
    result = run(short, "--chaos-mutant", "update-is-not-rechecked")
    result.assert_outcomes(passed=3)


def test_a_file_that_cannot_be_collected_is_told_of_as_ever(short: pytest.Pytester) -> None:
    short.makepyfile("import no_such_module")
    result = run(short)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "AttributeError" not in result.stdout.str() + result.stderr.str()


def test_what_a_function_takes_beside_the_two_are_fixtures(short: pytest.Pytester) -> None:
    body = "(tmp_path / 'seen').write_text(str(len(history))); assert history.facts['accounts']"
    write(short, body, fixtures=", tmp_path")
    run(short).assert_outcomes(passed=1)


def test_seeds_are_tests_of_their_own_and_can_be_chosen(short: pytest.Pytester) -> None:
    write(short, "pass", seeds="(3, 5)")
    own = run(short, "--collect-only", "-q", "-m", "crash_property").stdout.str()
    assert re.findall(r"test_it\[(.+)\]", own) == ["seed-3", "seed-5"]
    other = run(short, "--collect-only", "-q", "--chaos-seeds", "7..8").stdout.str()
    assert re.findall(r"test_it\[(.+)\]", other) == ["seed-7", "seed-8"]
    fitting = run(short, "--collect-only", "-q", "--chaos-budget", "5").stdout.str()
    assert re.findall(r"test_it\[(.+)\]", fitting) == ["budget"]


def test_a_budget_is_used_up_with_one_seed_after_the_other(short: pytest.Pytester) -> None:
    write(short, "pass")
    result = run(short, "--chaos-budget", "3", "--junitxml", "budget.xml")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_it?budget?: seeds 1..* held"])
    text = (short.path / "budget.xml").read_text(encoding="utf-8")
    assert re.search(r'name="chaos_seeds" value="1\.\.\d+"', text)


def test_a_method_is_refused() -> None:
    with pytest.raises(TypeError, match="a crash property is a function, no method"):

        @crash_property()
        def holds(self: object, cluster: object, history: object) -> None:
            """Never called."""


@pytest.mark.parametrize(
    ("option", "given"),
    [("--chaos-seeds", "5..1"), ("--chaos-seeds", "many"), ("--chaos-budget", "0"),
     ("--chaos-budget", "nan"), ("--chaos-mutant", "no-such-bug")],
)  # fmt: skip
def test_options_that_cannot_be_are_wrong_usage(
    short: pytest.Pytester, option: str, given: str
) -> None:
    result = run(short, option, given)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert option in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_workers_of_xdist_share_the_seeds(short: pytest.Pytester) -> None:
    write(short, "assert False, 'as it shall'", seeds=2)
    result = run(short, "-n", "2")
    assert result.ret == 1
    result.assert_outcomes(failed=2)
    said = result.stdout.str()
    assert sorted(re.findall(r"^  pytest .* --chaos-seeds (\d)\.\.\1$", said, re.MULTILINE)) == [
        "1",
        "2",
    ]


def test_a_bundle_that_a_test_looked_into_is_not_replayed_without_the_test(
    short: pytest.Pytester,
) -> None:
    from chaos.replay import NoBundle, read_bundle

    write(short, "assert False, 'as it shall'")
    run(short)
    with pytest.raises(NoBundle, match="a test looked into its run; the same again: pytest"):
        read_bundle(short.path / "chaos-out" / "seed-1")


def test_a_cluster_is_broken_by_hand_and_comes_back(short: pytest.Pytester) -> None:
    short.makepyfile(
        """
        def test_it(cluster, controller):
            cluster.query("CREATE TABLE t (n int)")
            cluster.query("INSERT INTO t VALUES (%s)", (1,))
            for roles in (["checkpointer"], ["backend", "walwriter"], ["postmaster"], ["logger"]):
                with cluster.connect():
                    controller.kill(*roles)
                assert cluster.query("SELECT n FROM t") == [(1,)]
            cluster.stop()
            cluster.start()
            assert cluster.query("SELECT n FROM t") == [(1,)]
        """
    )
    run(short).assert_outcomes(passed=1)


def test_nothing_is_left_of_a_session(
    short: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(short, "pass")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run(short).assert_outcomes(passed=1)
    assert not [path for path in tmp_path.iterdir() if "chaos" in path.name]
