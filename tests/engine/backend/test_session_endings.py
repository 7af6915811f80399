"""How statements and sessions end before their time: cancels, time-outs, bad clients."""

from __future__ import annotations

import time

import pytest

from engine.host.api import Signal
from engine.protocol import backend, frontend, startup
from engine.protocol.framing import frame
from tests.engine.backend.conftest import (
    Backends,
    error_of,
    rows_of,
    tag_of,
    wait_until_active,
)

SYNC = frontend.SYNC


# interrupts -------------------------------------------------------------------------------------


def test_a_cancel_request_with_the_right_key_ends_the_statement(backends: Backends) -> None:
    client = backends.connect()
    (key_data,) = [message for message in client.start() if message.kind == "K"]
    pid, key = (int.from_bytes(key_data.body[i : i + 4], "big") for i in (0, 4))
    client.send(frontend.build_query("select pg_sleep(60)"))
    wait_until_active(backends)
    wrong = backends.connect()
    wrong.send(startup.build_cancel_request(pid, key ^ 1))
    assert wrong.at_end()
    assert f"wrong key in cancel request for process {pid}" in backends.log()
    stranger = backends.connect()
    stranger.send(startup.build_cancel_request(2, key))
    assert stranger.at_end()
    assert "PID 2 in cancel request did not match any process" in backends.log()
    right = backends.connect()
    right.send(startup.build_cancel_request(pid, key))
    assert right.at_end()
    error = error_of(client.answer())
    assert (error["C"], error["M"]) == ("57014", "canceling statement due to user request")
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_a_cancel_of_an_idle_session_does_nothing(backends: Backends) -> None:
    client = backends.session()
    backends.host.signal(backends.pids[0], Signal.INT)
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_termination_tells_an_idle_client_and_a_busy_one(backends: Backends) -> None:
    idle, busy = backends.session(), backends.session()
    busy.send(frontend.build_query("begin; select pg_sleep(60)"))
    wait_until_active(backends, 10)
    for number, client in enumerate((idle, busy)):
        backends.host.signal(backends.pids[number], Signal.TERM)
        messages = client.answer()
        error = error_of(messages)
        assert (error["S"], error["C"]) == ("FATAL", "57P01")
        assert error["M"] == "terminating connection due to administrator command"
        assert backends.wait_for_end(number) == 1
    assert "abort" in backends.said()


def test_quit_says_its_last_words_and_nothing_else(backends: Backends) -> None:
    client = backends.session()
    client.query("begin")
    backends.host.signal(backends.pids[0], Signal.QUIT)
    (message,) = client.answer()
    fields = backend.parse_error_fields(message.body)
    assert (message.kind, fields["S"], fields["C"]) == ("N", "WARNING", "57P02")
    assert backends.wait_for_end() == 2
    assert backends.said() == []


def test_statement_timeout_ends_only_the_statement(backends: Backends) -> None:
    client = backends.session(statement_timeout=50)
    error = error_of(client.query("select pg_sleep(60)"))
    assert (error["C"], error["M"]) == ("57014", "canceling statement due to statement timeout")
    assert tag_of(client.query("select 1")) == "SELECT 1"


@pytest.mark.parametrize(
    ("setting", "before", "sqlstate"),
    [
        ("idle_in_transaction_session_timeout", "begin", "25P03"),
        ("idle_session_timeout", "select 1", "57P05"),
    ],
)
def test_a_silent_client_is_cut_off(
    backends: Backends, setting: str, before: str, sqlstate: str
) -> None:
    client = backends.session(**{setting: 100})
    client.query(before)
    error = error_of(client.answer())
    assert (error["S"], error["C"]) == ("FATAL", sqlstate)
    assert client.at_end()


# bad clients ------------------------------------------------------------------------------------


def test_a_client_that_vanishes_in_a_transaction_has_it_aborted(backends: Backends) -> None:
    client = backends.session()
    client.query("begin")
    client.socket.close()
    assert backends.wait_for_end() == 0
    assert backends.said() == ["abort"]
    assert "unexpected EOF on client connection with an open transaction" in backends.log()


def test_a_client_that_vanishes_in_mid_message_ends_the_session(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_query("select 1")[:7])
    client.socket.close()
    assert backends.wait_for_end() == 0


def test_terminate_ends_the_session_without_a_word(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.TERMINATE)
    assert client.at_end()
    assert backends.wait_for_end() == 0
    assert backends.log() == ""


def test_an_unknown_message_type_is_fatal(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.ask(b"z" + b"\0" * 10))
    assert (error["S"], error["C"]) == ("FATAL", "08P01")
    assert error["M"] == "invalid frontend message type 122"
    assert client.at_end()
    assert backends.wait_for_end() == 1


def test_an_oversized_message_closes_the_connection(backends: Backends) -> None:
    client = backends.session()
    client.send(b"S\x7f\xff\xff\xff")
    assert client.at_end()
    assert backends.wait_for_end() == 0
    assert "invalid message length" in backends.log()


def test_a_malformed_body_is_an_error_and_the_session_goes_on(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.ask(frame(b"B", b"\0\0"), SYNC))
    assert error["C"] == "08P01"
    assert error_of(client.ask(frame(b"Q", b"select '\xff'\0")))["C"] == "22021"
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_the_function_call_message_is_refused_by_name(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.ask(frame(b"F", b"\0\0\0\0\0\0\0\0\0\0")))
    assert (error["C"], error["M"]) == (
        "0A000",
        "the function call protocol is not supported yet",
    )


def test_left_over_copy_messages_are_ignored(backends: Backends) -> None:
    client = backends.session()
    client.send(frame(b"d", b"data"), frontend.COPY_DONE, frame(b"f", b"no\0"))
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_a_large_result_reaches_a_client_that_reads_late(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_query("select * from generate_series(1, 200000)"))
    time.sleep(0.2)
    answer = client.answer()
    rows = rows_of(answer)
    assert len(rows) == 200_000
    assert tag_of(answer) == "SELECT 200000"
    assert rows[-1] == [b"200000"]


def test_a_session_that_ends_while_its_client_does_not_read_still_ends(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_query("select * from generate_series(1, 200000)"))
    time.sleep(0.3)
    backends.host.signal(backends.pids[0], Signal.TERM)
    assert backends.wait_for_end() == 1
