"""The pytest plugin: crash properties (`properties.crash_property`), and a server to break by hand.

Options
    --chaos-seeds N|A..B   these seeds for each crash property, instead of its own
    --chaos-budget S       as many seeds as so many seconds allow, for each crash property; from the
                           first of --chaos-seeds on
    --chaos-mutant NAME    plant that bug first, and let the property alone judge: if it then holds,
                           it does not see the bug
    --chaos-out DIR        where the bundles of failing seeds go

A failing seed is a failing test, `test_name[seed-7]`. Its report and the end of the session's
output have the command that does the same run again; what happened is kept in a bundle; JUnit XML
has seed, verdict, digest, bundle and command as properties of the test. pytest-xdist distributes
the seeds.

Fixtures, for tests without a plan: `cluster`, a server of the engine that runs freely, and
`controller`, which kills its processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from properties.clusters import Cluster, Controller
    from properties.crash_properties import CrashProperty, Runs

MARKER: Final = "crash_property"
OUT: Final = "chaos-out"
TOLD: Final = ("chaos_replay", "chaos_bundle")


def pytest_addoption(parser: pytest.Parser) -> None:
    """See the head of this file."""
    group = parser.getgroup("chaos", "crash properties")
    group.addoption("--chaos-seeds", metavar="N|A..B", help="seeds of each crash property")
    group.addoption(
        "--chaos-budget",
        type=float,
        metavar="SECONDS",
        help="run as many seeds of each crash property as fit into so many seconds",
    )
    group.addoption("--chaos-mutant", metavar="NAME", help="plant this bug: chaos mutants")
    group.addoption(
        "--chaos-out", metavar="DIR", default=OUT, help=f"where bundles go [default: {OUT}]"
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker, for `-m crash_property`; options that cannot be are wrong usage."""
    config.addinivalue_line("markers", f"{MARKER}: crashes a database again and again")
    _seeds(config)
    budget_s = config.getoption("--chaos-budget")
    if budget_s is not None and not 0 < budget_s < math.inf:
        raise pytest.UsageError("--chaos-budget: a number of seconds above 0")
    if (name := config.getoption("--chaos-mutant")) is not None:
        from chaos.mutants.planting import find_mutant
        from chaos.oracle import UnknownName

        try:
            find_mutant(name)
        except UnknownName as error:
            raise pytest.UsageError(f"--chaos-mutant: {error}") from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each seed, or one for all that fit into the budget."""
    own: CrashProperty | None = getattr(metafunc.function, MARKER, None)
    if own is None:
        return
    if metafunc.config.getoption("--chaos-budget") is not None:
        metafunc.parametrize("chaos_seed", [None], ids=["budget"])
        return
    seeds = _seeds(metafunc.config) or own.seeds
    metafunc.parametrize("chaos_seed", seeds, ids=[f"seed-{seed}" for seed in seeds])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Crash properties can be chosen by their marker."""
    if hasattr(getattr(item, "function", None), MARKER):
        item.add_marker(MARKER)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Which seeds fitted into the budget; then those that failed, where their bundles are, and how
    to do each again: last.
    """
    for report in terminalreporter.getreports("passed"):
        told = dict(getattr(report, "user_properties", ()))
        if "chaos_seeds" in told:
            terminalreporter.line(f"{report.nodeid}: seeds {told['chaos_seeds']} held")
    lines = []
    for report in [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]:
        told = dict(getattr(report, "user_properties", ()))  # none, if it could not be collected
        if "chaos_replay" in told:
            lines.append(f"{report.nodeid}: {told['chaos_verdict'].replace('_', ' ')}")
            lines += [f"  {told[name]}" for name in reversed(TOLD) if name in told]
    if lines:
        terminalreporter.section("crash properties that do not hold")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def _chaos_session(pytestconfig: pytest.Config) -> Iterator[Runs]:
    """What all crash properties of a session share: one launcher, in which the engine is loaded."""
    from properties.crash_properties import Runs

    mutant = pytestconfig.getoption("--chaos-mutant")
    out = pytestconfig.invocation_params.dir / str(pytestconfig.getoption("--chaos-out"))
    runs = Runs(
        out=_relative(out),
        mutant=mutant,
        budget_s=pytestconfig.getoption("--chaos-budget"),
        first=next(iter(_seeds(pytestconfig)), None),
        options=("--chaos-mutant", mutant) if mutant else (),
    )
    yield runs
    runs.close()


@pytest.fixture
def chaos_runs(_chaos_session: Runs, request: pytest.FixtureRequest) -> Runs:
    """For one test: what is learned of its runs becomes properties of the test."""
    properties: list[tuple[str, object]] = request.node.user_properties

    def note(name: str, value: str) -> None:
        properties[:] = [*(one for one in properties if one[0] != name), (name, value)]

    where = request.node.nodeid.partition("::")[2]
    _chaos_session.nodeid = f"{_relative(request.node.path)}::{where}"
    _chaos_session.note = note
    return _chaos_session


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of the engine, with a new data directory; stopped and removed at the end."""
    from properties.clusters import Cluster

    with Cluster() as one:
        yield one


@pytest.fixture
def controller(cluster: Cluster) -> Controller:
    """What breaks the cluster's server."""
    from properties.clusters import Controller

    return Controller(cluster)


def _seeds(config: pytest.Config) -> list[int]:
    """Those of --chaos-seeds; [] when it was not given."""
    given = config.getoption("--chaos-seeds")
    if given is None:
        return []
    first, dots, last = str(given).partition("..")
    try:
        numbers = range(int(first), int(last) + 1) if dots else range(1, int(first) + 1)
    except ValueError:
        numbers = range(0)
    if not numbers or numbers[0] < 0:
        raise pytest.UsageError("--chaos-seeds: a number of seeds, or the first and last: 1..100")
    return list(numbers)


def _relative(path: Path) -> Path:
    """As a person would write it from where they are."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
