"""psql 15 against a running server."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.postgres import require_postgres
from tests.server import Server


@pytest.fixture
def psql() -> Path:
    return require_postgres("psql")


def run(
    psql: Path, server: Server, *arguments: str, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    where = ["-h", str(server.sockets), "-p", str(server.port), "-U", "postgres", "-d", "postgres"]
    return subprocess.run(
        [psql, "-X", *where, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env={**environment, "LC_ALL": "C"},
    )


def test_statements_of_a_script_are_answered_one_by_one(psql: Path, server: Server) -> None:
    script = """\
create table t (a int, b text);
insert into t values (1, 'one'), (2, null), (3, 'three');
begin;
update t set b = 'two' where a = 2;
select * from t order by a;
commit;
delete from t where a = 1 returning b;
"""
    done = run(psql, server, "-f", "-", text=script)
    assert done.stderr == ""
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines == EXPECTED.splitlines()


EXPECTED = """\
CREATE TABLE
INSERT 0 3
BEGIN
UPDATE 1
 a |   b
---+-------
 1 | one
 2 | two
 3 | three
(3 rows)

COMMIT
  b
-----
 one
(1 row)

DELETE 1
"""


def test_an_error_is_shown_with_its_place(psql: Path, server: Server) -> None:
    done = run(psql, server, "-v", "VERBOSITY=verbose", "-c", "select 1 +\n nonsense")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:3] == [
        'ERROR:  42703: column "nonsense" does not exist',
        "LINE 2:  nonsense",
        "         ^",
    ]


def test_several_statements_of_one_string_are_one_transaction(psql: Path, server: Server) -> None:
    run(psql, server, "-c", "create table t (a int)")
    done = run(psql, server, "-c", "insert into t values (1); select 1/0")
    assert "division by zero" in done.stderr
    assert run(psql, server, "-At", "-c", "select count(*) from t").stdout == "0\n"


def test_fetch_count_reads_through_a_cursor(psql: Path, server: Server) -> None:
    done = run(
        psql, server, "-At", "-v", "FETCH_COUNT=2", "-c", "select * from generate_series(1, 5)"
    )
    assert done.stderr == ""
    script = "\\set FETCH_COUNT 2\nselect * from generate_series(1, 5);\n"
    done = run(psql, server, "-At", "-f", "-", text=script)
    assert (done.stdout, done.stderr) == ("1\n2\n3\n4\n5\n", "")


def test_gdesc_describes_without_executing(psql: Path, server: Server) -> None:
    done = run(psql, server, "-At", "-f", "-", text="select 1 as a, 'x'::text as b \\gdesc\n")
    assert done.stderr == ""
    assert done.stdout == "a|integer\nb|text\n"


def test_conninfo_and_the_command_line_options_reach_the_session(
    psql: Path, server: Server
) -> None:
    done = run(psql, server, "-At", "-c", "show application_name")
    assert done.stdout == "psql\n"
    environment = {**os.environ, "PGOPTIONS": "-c statement_timeout=1234"}
    done = subprocess.run(
        [psql, "-XAt", "-h", server.sockets, "-U", "postgres", "-c", "show statement_timeout"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert done.stdout == "1234ms\n"


def test_control_c_cancels_the_query(psql: Path, server: Server) -> None:
    process = subprocess.Popen(
        [psql, "-X", "-h", server.sockets, "-U", "postgres", "-c", "select pg_sleep(60)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not any("SELECT" in title for title in server.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert "canceling statement due to user request" in errors
