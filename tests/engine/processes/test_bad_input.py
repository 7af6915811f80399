"""Clients that misbehave: each gets PostgreSQL's error, the server lives on, nothing is lost."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.server import PATIENCE_S, Server

STARTUP = b"user\0postgres\0database\0postgres\0\0"


class RawClient:
    """A connection of bytes."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(f"{server.sockets}/.s.PGSQL.{server.port}")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def open_session(self) -> None:
        """Start up, and read until the server is ready."""
        self.send_startup()
        self.read_until_ready()

    def send_startup(self) -> None:
        self.socket.sendall(struct.pack("!II", len(STARTUP) + 8, 196608) + STARTUP)

    def query(self, statement: str) -> bytes:
        body = statement.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return self.read_until_ready()

    def read_until_ready(self) -> bytes:
        answer = b""
        while answer[-6:-1] != b"Z\0\0\0\5":
            data = self.socket.recv(65536)
            assert data, f"the server hung up after {answer!r}"
            answer += data
        return answer

    def read_to_end(self) -> bytes:
        answer = b""
        try:
            while data := self.socket.recv(65536):
                answer += data
        except ConnectionResetError:
            return answer
        return answer


@pytest.fixture(scope="module")
def shared_server(
    cluster_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all that must not hurt it; at the end it must stop in order."""
    server = Server.from_template(cluster_template, tmp_path_factory.mktemp("b"))
    try:
        server.start(authentication_timeout=1, max_connections=8)
        server.query("CREATE TABLE t (a integer)")
        server.query("INSERT INTO t VALUES (1)")
        yield server
        assert server.stop() == 0
        assert "terminated by signal" not in server.log()
        assert "Traceback" not in server.log()
        assert "This is a bug" not in server.log()
        assert "PANIC" not in server.log()
    finally:
        server.destroy()


@pytest.fixture
def unhurt(shared_server: Server) -> Iterator[Server]:
    """The server; afterwards it still has all its processes and all its data, and no lock."""
    before = helpers(shared_server)
    yield shared_server
    eventually(lambda: clients(shared_server) == 0)
    assert shared_server.query("SELECT a FROM t") == [(1,)]
    with shared_server.connect() as connection:
        connection.execute("SET lock_timeout = '5s'")
        connection.execute("UPDATE t SET a = 1")
    assert helpers(shared_server) == before


def helpers(server: Server) -> dict[str, int]:
    roles = ("checkpointer", "background writer", "walwriter")
    return {role: pid for role, pid in server.processes().items() if role in roles}


def clients(server: Server) -> int:
    """How many processes serve clients."""
    return len(server.processes()) - len(helpers(server))


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"\0\0\0\7\0\3\0",
        b"\xff" * 64,
        struct.pack("!I", 10_005) + bytes(100),
    ],
)
def test_garbage_instead_of_a_startup_packet_is_logged_and_not_answered(
    garbage: bytes, unhurt: Server
) -> None:
    seen = unhurt.log().count("invalid length of startup packet")
    with RawClient(unhurt) as client:
        client.socket.sendall(garbage)
        assert client.read_to_end() == b""
    unhurt.wait_for_log("LOG:  invalid length of startup packet", seen + 1)


def test_a_startup_packet_without_an_end_is_refused(unhurt: Server) -> None:
    with RawClient(unhurt) as client:
        client.socket.sendall(struct.pack("!II", 20, 196608) + b"user\0postgre")
        answer = client.read_to_end()
    assert b"FATAL\0C08P01\0" in answer
    assert b"invalid startup packet layout: expected terminator as last byte" in answer


def test_an_old_protocol_is_refused_with_the_versions_that_are_spoken(unhurt: Server) -> None:
    with RawClient(unhurt) as client:
        client.socket.sendall(struct.pack("!II", 8, 4 << 16))
        answer = client.read_to_end()
    assert b"unsupported frontend protocol 4.0: server supports 3.0 to 3.0" in answer


def test_a_client_that_says_nothing_is_cut_off(unhurt: Server) -> None:
    with RawClient(unhurt) as silent, RawClient(unhurt) as halting:
        halting.socket.sendall(b"\0\0\0")
        assert unhurt.query("SELECT 1") == [(1,)]
        assert silent.read_to_end() == b""
        assert halting.read_to_end() == b""


@pytest.mark.parametrize("kind", [b"\0", b"z", b"\xff", b"p"])
def test_an_unknown_message_ends_the_session_alone(kind: bytes, unhurt: Server) -> None:
    with RawClient(unhurt) as client:
        client.open_session()
        client.query("BEGIN")
        client.query("UPDATE t SET a = 99")
        client.socket.sendall(kind + b"\0\0\0\4")
        answer = client.read_to_end()
    assert f"invalid frontend message type {kind[0]}".encode() in answer
    assert b"FATAL\0C08P01\0" in answer
    unhurt.wait_for_log(f"FATAL:  invalid frontend message type {kind[0]}")


@pytest.mark.parametrize("length", [0, 3, 0x40000000, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_session_without_waiting(length: int, unhurt: Server) -> None:
    seen = unhurt.log().count("LOG:  invalid message length")
    with RawClient(unhurt) as client:
        client.open_session()
        client.query("BEGIN")
        client.query("UPDATE t SET a = 99")
        client.socket.sendall(b"Q" + struct.pack("!I", length))
        assert b"C08P01" not in client.read_to_end(), "the client is out of step: only the log"
    unhurt.wait_for_log("LOG:  invalid message length", seen + 1)


def test_an_oversized_small_message_ends_the_session(unhurt: Server) -> None:
    seen = unhurt.log().count("LOG:  invalid message length")
    with RawClient(unhurt) as client:
        client.open_session()
        client.socket.sendall(b"S" + struct.pack("!I", 10_005))
        client.read_to_end()
    unhurt.wait_for_log("LOG:  invalid message length", seen + 1)


def test_a_message_body_that_is_nonsense_is_an_error_and_the_session_goes_on(
    unhurt: Server,
) -> None:
    with RawClient(unhurt) as client:
        client.open_session()
        body = b"\xff\xff\0SELECT 1"
        client.socket.sendall(b"B" + struct.pack("!I", len(body) + 4) + body + b"S\0\0\0\4")
        assert b"ERROR\0" in client.read_until_ready()
        assert b"SELECT 1" in client.query("SELECT 1")


def test_text_that_is_not_utf8_is_an_error_and_the_session_goes_on(unhurt: Server) -> None:
    with RawClient(unhurt) as client:
        client.open_session()
        body = b"SELECT '\xff\xfe'\0"
        client.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        answer = client.read_until_ready()
        assert b"C22021\0" in answer
        assert b'invalid byte sequence for encoding "UTF8": 0xff' in answer
        assert b"SELECT 1" in client.query("SELECT 1")


def test_a_client_that_hangs_in_mid_message_disturbs_nobody_and_no_shutdown(
    server: Server,
) -> None:
    server.query("CREATE TABLE t (a integer)")
    server.query("INSERT INTO t VALUES (1)")
    with RawClient(server) as client:
        client.open_session()
        client.query("BEGIN")
        client.query("UPDATE t SET a = 2")
        client.socket.sendall(b"Q" + struct.pack("!I", 500) + b"SELECT ")
        with server.connect() as connection:
            connection.execute("INSERT INTO t VALUES (10)")
            connection.execute("CHECKPOINT")
            assert connection.execute("SELECT a FROM t").fetchall() == [(1,), (10,)]
        assert server.stop("fast") == 0
        assert b"C57P01\0" in client.read_to_end()
    server.start()
    assert server.query("SELECT a FROM t") == [(1,), (10,)]
    assert "redo starts at" not in server.log()


def test_a_client_that_vanishes_in_mid_message_has_its_transaction_rolled_back(
    unhurt: Server,
) -> None:
    with RawClient(unhurt) as client:
        client.open_session()
        client.query("BEGIN")
        client.query("UPDATE t SET a = 99")
        client.socket.sendall(b"Q" + struct.pack("!I", 500) + b"COMMIT")
    unhurt.wait_for_log("unexpected EOF on client connection with an open transaction")


def test_a_client_that_vanishes_in_mid_transaction_frees_its_locks(unhurt: Server) -> None:
    seen = unhurt.log().count("unexpected EOF on client connection with an open transaction")
    client = RawClient(unhurt)
    client.open_session()
    client.query("BEGIN")
    client.query("UPDATE t SET a = 99")
    with unhurt.connect() as waiter:
        client.socket.close()
        waiter.execute("SET lock_timeout = '10s'")
        assert waiter.execute("UPDATE t SET a = a RETURNING a").fetchall() == [(1,)]
    unhurt.wait_for_log("unexpected EOF on client connection with an open transaction", seen + 1)


def test_a_client_that_vanishes_during_its_answer_ends_its_session_alone(unhurt: Server) -> None:
    client = RawClient(unhurt)
    client.open_session()
    statement = b"SELECT i, 'some text' FROM generate_series(1, 200000) i\0"
    client.socket.sendall(b"Q" + struct.pack("!I", len(statement) + 4) + statement)
    assert client.socket.recv(1000)
    client.socket.close()
    eventually(lambda: clients(unhurt) == 0)


def test_a_committed_transaction_stays_when_its_client_did_not_wait(unhurt: Server) -> None:
    """What was in doubt is wholly there: the server had the whole message."""
    unhurt.query("CREATE TABLE doubt (a integer)")
    with RawClient(unhurt) as client:
        client.open_session()
        body = b"BEGIN; INSERT INTO doubt VALUES (1); INSERT INTO doubt VALUES (2); COMMIT\0"
        client.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
    eventually(lambda: clients(unhurt) == 0)
    assert unhurt.query("SELECT a FROM doubt") in ([(1,), (2,)], [])
    unhurt.query("DROP TABLE doubt")


def test_too_many_clients_are_told_so_and_those_inside_go_on(unhurt: Server) -> None:
    inside = [unhurt.connect() for _ in range(8)]
    with pytest.raises(psycopg.OperationalError, match="FATAL:  sorry, too many clients already"):
        unhurt.connect()
    for connection in inside:
        assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]
        connection.close()


def test_many_connections_that_break_off_leave_nothing_behind(unhurt: Server) -> None:
    files_before = len(os.listdir(f"/proc/{unhurt.pid}/fd"))
    for number in range(40):
        with RawClient(unhurt) as client:
            if number % 2:
                client.send_startup()
    eventually(lambda: clients(unhurt) == 0)
    eventually(lambda: len(os.listdir(f"/proc/{unhurt.pid}/fd")) <= files_before)
