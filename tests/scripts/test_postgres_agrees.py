"""PostgreSQL 15 prints the same at every statement of the scripts: the same answers, the same
waits, the same errors. These are all scripts of statements alone, but those where the engine
refuses what PostgreSQL can do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import ScratchCluster, scratch_cluster
from tests.scripts.runner.elsewhere import is_statements_alone, play_elsewhere
from tests.scripts.runner.script import ScriptError, parse, render

HERE = Path(__file__).parent
REFUSED = "ERROR 0A000"
_XID = re.compile(r"\btransaction \d+")


def is_comparable(path: Path) -> bool:
    """Whether both servers can be asked everything in the script."""
    written = path.read_text()
    return REFUSED not in written and is_statements_alone(parse(written))


SCRIPTS = [path for path in sorted(HERE.glob("*/*.script")) if is_comparable(path)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[ScratchCluster]:
    """A server of PostgreSQL's for all scripts."""
    with scratch_cluster("-c", "fsync=off", "-c", "autovacuum=off") as cluster:
        yield cluster


@pytest.mark.parametrize("path", SCRIPTS, ids=[f"{p.parent.name}/{p.stem}" for p in SCRIPTS])
def test_postgres_prints_the_same(path: Path, postgres: ScratchCluster) -> None:
    written = path.read_text()
    postgres.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    printed = render(play_elsewhere(parse(written), postgres.connection_string()))
    ours, theirs = (_XID.sub("transaction <xid>", text) for text in (written, printed))
    difference = difflib.unified_diff(
        ours.splitlines(), theirs.splitlines(), "engine", "PostgreSQL", lineterm="", n=6
    )
    assert "\n".join(difference) == ""


def test_every_script_about_isolation_is_compared() -> None:
    about = {path for path in SCRIPTS if path.parent.name == "isolation"}
    assert about == set((HERE / "isolation").glob("*.script"))
    assert len(about) == 10


def test_a_command_that_is_no_statement_cannot_be_played_elsewhere() -> None:
    with pytest.raises(ScriptError, match="only statements can be played elsewhere"):
        play_elsewhere(parse("# Nothing.\nkill all\n"), "host=/nowhere")
