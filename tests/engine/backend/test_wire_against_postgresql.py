"""The same bytes to this server and to a PostgreSQL 15: the answers must be the same.

Each script is a list of batches; a batch is sent in one write, and everything up to its last
ReadyForQuery (or the end of the connection) is read before the next.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from engine.protocol import backend, frontend, startup
from engine.protocol.backend import BackendMessage
from engine.protocol.framing import frame
from tests.engine.backend.conftest import WireClient
from tests.postgres import ScratchCluster, scratch_cluster
from tests.server import Server

Batch = list[bytes]

Q = frontend.build_query
P = frontend.build_parse
B = frontend.build_bind
D = frontend.build_describe
E = frontend.build_execute
C = frontend.build_close
S = frontend.SYNC

TABLE = Q("create table t (a int not null, b text)")
ROWS = Q("insert into t values (1, 'one'), (2, null), (3, 'three')")

SCRIPTS: dict[str, list[Batch]] = {
    "simple queries": [
        [TABLE],
        [ROWS],
        [Q("select * from t order by a")],
        [Q("select a + 1 as x, b from t where a = 2")],
        [Q("update t set b = 'two' where a = 2")],
        [Q("delete from t where a > 1 returning a, b")],
        [Q("drop table t")],
    ],
    "empty queries": [
        [Q("")],
        [Q(";;")],
        [Q("-- nothing")],
        [P("", ""), D("S"), B(), D("P"), E(), S],
    ],
    "several statements": [
        [TABLE],
        [Q("insert into t values (1, 'x'); select a from t; update t set a = 2; select a from t")],
        [Q("insert into t values (3, 'y'); select 1/(a - a) from t; select 5")],
        [Q("select count(*) from t")],
        [Q("insert into t values (4, 'z'); syntax error")],
        [Q("begin; insert into t values (5, 'v'); commit; select 1/(a - a) from t")],
        [Q("insert into t values (6, 'w'); rollback; select count(*) from t")],
        [Q("insert into t values (7, 'w'); commit; select count(*) from t")],
        [Q("insert into t values (8, 'w'); begin; select count(*) from t")],
        [Q("rollback")],
        [Q("select count(*) from t")],
    ],
    "transaction blocks": [
        [Q("begin")],
        [Q("begin")],
        [Q("select 1")],
        [Q("select nonsense")],
        [Q("select 1")],
        [Q("begin")],
        [Q("commit")],
        [Q("commit")],
        [Q("rollback")],
        [Q("start transaction isolation level repeatable read")],
        [Q("show transaction_isolation")],
        [Q("end")],
    ],
    "prepared statements": [
        [TABLE],
        [ROWS],
        [P("s", "select a, b from t where a = $1"), D("S", "s"), S],
        [B("", "s", [b"2"]), D("P"), E(), S],
        [B("", "s", [b"\0\0\0\3"], parameter_formats=[1], result_formats=[1, 0]), D("P"), E(), S],
        [B("", "s", [b"\0\0\0\3"], parameter_formats=[1], result_formats=[1]), E(), S],
        [B("", "s", [None]), E(), S],
        [P("s", "select 1"), S],
        [C("S", "s"), C("S", "s"), S],
        [B("", "s"), S],
        [Q("deallocate s")],
        [Q("deallocate all")],
    ],
    "types of parameters": [
        [TABLE],
        [P("a", "insert into t values ($1, $2)"), D("S", "a"), S],
        [P("b", "update t set a = a + $1 where b = $2"), D("S", "b"), S],
        [P("c", "select $1::bigint, $2"), D("S", "c"), S],
        [P("d", "select $1", [21]), D("S", "d"), S],
        [P("e", "select 1"), D("S", "e"), S],
        [P("f", "begin"), D("S", "f"), B("", "f"), D("P"), E(), S],
        [P("g", "rollback"), D("S", "g"), B("", "g"), D("P"), E(), S],
        [Q("select $1")],
    ],
    "portals and row limits": [
        [TABLE],
        [ROWS],
        [Q("begin"), P("", "select a from t order by a"), B("p"), E("p", 2), E("p", 2), E("p"), S],
        [E("p"), S],
        [Q("rollback")],
        [Q("begin"), P("", "select a from t"), B("p"), E("p", 3), E("p", 3), S, Q("commit")],
        [P("", "select a from t"), B("p"), E("p", 1), S, E("p", 1), S],
        [P("", "select a from t"), B(), B(), E("", 1), S],
        [Q("begin"), P("", "select 1"), B("p"), B("p"), S, Q("rollback")],
        [P("", "insert into t values (9, 'n') returning a"), B(), E("", 1), E("", 1), S],
        [P("", "insert into t values (9, 'n'), (9, 'm') returning b"), B(), E("", 1), E(), S],
        [P("", "show server_encoding"), D("S"), B(), E("", 1), E("", 1), S],
        [P("", "select a from t"), B("x"), C("P", "x"), E("x"), S],
    ],
    "pipelines": [
        [TABLE],
        [
            P("", "insert into t values (1, 'a')"),
            B(),
            E(),
            P("", "select 1/(a - a) from t"),
            B(),
            E(),
            E(),
            S,
        ],
        [Q("select count(*) from t")],
        [P("", "insert into t values (2, 'b')"), B(), E(), B(), E(), S, P("", "oops"), S],
        [Q("select count(*) from t")],
        [P("", "begin"), B(), E(), P("", "insert into t values (3, 'c')"), B(), E(), S],
        [P("", "commit"), B(), E(), S],
        [Q("select count(*) from t")],
        [P("", "select 1"), D("S"), Q("select 2"), S],
        [P("", "select 1; select 2"), S],
    ],
    "a failed transaction and the extended protocol": [
        [P("ok", "select 1"), P("end", "rollback"), P("e", ""), S],
        [Q("begin"), Q("select nonsense")],
        [P("", "select 1"), S],
        [B("", "ok"), S],
        [D("S", "ok"), S],
        [D("S", "end"), S],
        [P("", ""), B(), E(), S],
        [P("", "commit"), B(), D("P"), E(), S],
        [B("", "ok"), E(), S],
    ],
    "cursors": [
        [TABLE],
        [ROWS],
        [Q("declare c cursor for select a from t")],
        [Q("begin"), Q("declare c cursor for select a, b from t order by a")],
        [Q("fetch c")],
        [Q("fetch forward 1 from c")],
        [Q("fetch all from c")],
        [Q("fetch 1 from c")],
        [Q("close c")],
        [Q("fetch 1 from c")],
        [Q("rollback")],
        [Q("begin"), Q("declare c no scroll cursor for select a from t order by a")],
        [Q("move 2 in c"), Q("fetch next from c"), Q("move all in c")],
        [P("", "fetch 1 from c"), D("S"), B(), D("P"), E(), S],
        [D("P", "c"), S],
        [Q("declare c cursor for select 1")],
        [Q("commit"), Q("close c"), Q("close all")],
    ],
    "statements of the session": [
        [Q("discard all")],
        [Q("begin"), Q("discard all"), Q("rollback")],
        [Q("unlisten *"), Q("reset all"), Q("close all"), Q("discard plans")],
        [Q("set application_name = 'x'"), Q("show application_name"), Q("reset application_name")],
        [Q("begin"), Q("set local application_name = 'y'"), Q("commit")],
        [Q("set no_such_setting = 1"), Q("show no_such_setting")],
        [Q("set statement_timeout = 'soon'"), Q("set statement_timeout = -1")],
        [Q("set shared_buffers = 5"), Q("set server_version = '1'")],
    ],
    "errors and their places": [
        [Q("selec 1")],
        [Q("select")],
        [Q("select 'abc")],
        [Q("select * from nothing")],
        [Q("select é, nonsense")],
        [Q("select 1 +")],
        [Q("insert into nothing values (1)")],
        [Q("select no_such_function(1)")],
        [Q("select 'x'::int")],
        [Q("select 1 = 'x'")],
        [Q("create table u (a nonsense)")],
        [TABLE, TABLE],
        [Q("insert into t (a, nonsense) values (1, 2)")],
        [Q("insert into t values (null, 'x')")],
        [Q("drop table nothing"), Q("drop table if exists nothing")],
        [Q("\n\nselect\n  nonsense")],
    ],
    "broken messages": [
        [P("", "select 1"), frame(b"B", b"\0\0"), S],
        [frame(b"P", b"no end"), S],
        [frame(b"D", b"X\0"), S],
        [frame(b"C", b"X\0"), S],
        [frame(b"E", b"\0\0"), S],
        [frame(b"Q", b"select '\xff'\0")],
        [P("", "select $1::text"), B("", "", [b"\xff"]), S],
        [P("", "select $1::int"), B("", "", [b"x"]), S],
        [P("", "select $1::int"), B("", "", [b"\0\0"], parameter_formats=[1]), S],
        [P("", "select $1::int"), B("", "", [b"1"], parameter_formats=[2]), S],
        [P("", "select $1::int"), B("", "", [b"1", b"2"]), S],
        [P("", "select 1"), B("", "", [], result_formats=[0, 0]), S],
        [frame(b"d", b"copy data"), frame(b"c", b""), frame(b"f", b"why\0"), Q("select 1")],
        [frame(b"y", b"")],
    ],
    "terminated": [[Q("select 1"), frontend.TERMINATE]],
}


def connect(path: str) -> WireClient:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(path)
    client = WireClient(connection)
    client.start()
    return client


def shown(message: BackendMessage) -> Any:
    """What of a message must be the same."""
    kind, body = message
    if kind in "EN":
        fields = backend.parse_error_fields(body)
        return kind, {code: fields[code] for code in sorted(fields) if code in "SCMDHPW"}
    if kind == "T":
        return kind, [
            (field.name, field.table_oid > 0, *field[2:])
            for field in backend.parse_row_description(body)
        ]
    if kind == "D":
        return kind, backend.parse_data_row(body)
    return kind, body


def play(path: str, script: list[Batch]) -> list[Any]:
    """Everything that the server says, batch by batch."""
    client = connect(path)
    said: list[Any] = []
    try:
        for batch in script:
            client.send(*batch)
            answers = sum(1 for message in batch if message[:1] in b"QS") or 1
            for _ in range(answers):
                said.extend(shown(message) for message in client.answer())
            said.append("---")
        if script[-1][-1] == frontend.TERMINATE:
            said.append(client.next())
    finally:
        client.socket.close()
    return said


@pytest.fixture(scope="module")
def postgresql() -> Iterator[ScratchCluster]:
    with scratch_cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_answers_are_those_of_postgresql(
    server: Server, postgresql: ScratchCluster, name: str
) -> None:
    postgresql.psql("drop table if exists t")
    theirs = play(f"{postgresql.socket_directory}/.s.PGSQL.5432", SCRIPTS[name])
    ours = play(f"{server.sockets}/.s.PGSQL.{server.port}", SCRIPTS[name])
    assert ours == theirs


def test_a_client_of_the_second_protocol_gets_its_kind_of_error(
    server: Server, postgresql: ScratchCluster
) -> None:
    said = []
    for directory, port in ((server.sockets, server.port), (postgresql.socket_directory, 5432)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{directory}/.s.PGSQL.{port}")
            connection.settimeout(20)
            connection.sendall(startup.build_startup_message({"user": "postgres"}, 2 << 16))
            said.append(connection.recv(4096))
    assert said[0] == said[1]
    assert said[0].startswith(b"EFATAL:  unsupported frontend protocol 2.0")


def startup_answer(path: str, options: dict[str, str], version: int) -> list[Any]:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(path)
    client = WireClient(connection)
    try:
        answer = client.ask(startup.build_startup_message(options, version))
    finally:
        connection.close()
    names = []
    for message in answer:
        if message.kind == "S":
            names.append(message.body.split(b"\0")[0])
        elif message.kind != "K":
            names.append(shown(message))
    return sorted(names, key=str)


@pytest.mark.parametrize(
    ("options", "version"),
    [
        ({"user": "postgres"}, 3 << 16),
        ({"user": "postgres", "_pq_.spam": "1"}, (3 << 16) + 1),
        ({"user": "nobody_here"}, 3 << 16),
        ({"user": "postgres", "database": "nothing_here"}, 3 << 16),
        ({"database": "postgres"}, 3 << 16),
        ({"user": "postgres", "spam": "1"}, 3 << 16),
        ({"user": "postgres", "options": "-c statement_timeout=x"}, 3 << 16),
        ({"user": "postgres", "replication": "perhaps"}, 3 << 16),
    ],
)
def test_connections_begin_as_with_postgresql(
    server: Server, postgresql: ScratchCluster, options: dict[str, str], version: int
) -> None:
    theirs = startup_answer(f"{postgresql.socket_directory}/.s.PGSQL.5432", options, version)
    ours = startup_answer(f"{server.sockets}/.s.PGSQL.{server.port}", options, version)
    assert ours == theirs
