"""Who may come in, and what the others are told."""

from __future__ import annotations

import pytest

from engine.backend.abc import Role
from engine.errors import FatalError
from engine.protocol import frontend, startup
from tests.engine.backend.conftest import (
    Backends,
    error_of,
    wait_until_active,
)

SYNC = frontend.SYNC


# dead-end children ------------------------------------------------------------------------------

STARTING_UP = FatalError("57P03", "the database system is starting up")


def test_a_refused_client_is_told_why_once_it_has_said_what_it_wants(backends: Backends) -> None:
    client = backends.refused(STARTING_UP)
    client.send(startup.build_ssl_request())
    assert client.socket.recv(1) == b"N"
    error = error_of(client.start())
    assert (error["S"], error["C"], error["M"]) == (
        "FATAL",
        "57P03",
        "the database system is starting up",
    )
    assert client.at_end()
    assert "FATAL:  the database system is starting up" in backends.log()


def test_a_refused_client_that_leaves_without_a_word_is_not_logged(backends: Backends) -> None:
    client = backends.refused(STARTING_UP)
    client.socket.close()
    assert backends.wait_for_end() == 0
    assert backends.log() == ""


def test_a_cancel_request_is_served_even_when_nobody_else_may_come_in(backends: Backends) -> None:
    client = backends.connect()
    (key_data,) = [message for message in client.start() if message.kind == "K"]
    pid, key = (int.from_bytes(key_data.body[i : i + 4], "big") for i in (0, 4))
    client.send(frontend.build_query("select pg_sleep(60)"))
    wait_until_active(backends)
    other = backends.refused(FatalError("53300", "sorry, too many clients already"))
    other.send(startup.build_cancel_request(pid, key))
    assert other.at_end()
    assert error_of(client.answer())["C"] == "57014"


# who may come in --------------------------------------------------------------------------------


def test_encryption_is_declined_and_the_client_may_go_on(backends: Backends) -> None:
    client = backends.connect()
    client.send(startup.build_ssl_request())
    assert client.socket.recv(1) == b"N"
    client.send(startup.build_gssenc_request())
    assert client.socket.recv(1) == b"N"
    assert client.start()[-1].kind == "Z"


def test_a_newer_protocol_and_unknown_options_are_negotiated_down(backends: Backends) -> None:
    client = backends.connect()
    options = {"user": "postgres", "_pq_.zip": "1"}
    messages = client.ask(startup.build_startup_message(options, (3 << 16) + 2))
    assert messages[0].kind == "v"
    assert messages[0].body == b"\0\3\0\0\0\0\0\1_pq_.zip\0"
    assert messages[-1].kind == "Z"


@pytest.mark.parametrize(
    ("options", "sqlstate", "message"),
    [
        ({"user": "nobody"}, "28000", 'role "nobody" does not exist'),
        ({"database": "nothing"}, "3D000", 'database "nothing" does not exist'),
        ({"user": ""}, "28000", "no PostgreSQL user name specified in startup packet"),
        ({"spam": "1"}, "42704", 'unrecognized configuration parameter "spam"'),
        ({"options": "-x"}, "42601", "invalid command-line argument for server process: -x"),
        ({"replication": "true"}, "0A000", "a replication connection is not supported yet"),
    ],
)
def test_a_request_that_cannot_be_met_is_fatal(
    backends: Backends, options: dict[str, str], sqlstate: str, message: str
) -> None:
    backends.write_hba(HBA_WITH_REPLICATION)
    client = backends.connect()
    error = error_of(client.start(**options))
    assert (error["S"], error["C"], error["M"]) == ("FATAL", sqlstate, message)
    assert client.at_end()
    assert backends.wait_for_end() == 1


HBA_WITH_REPLICATION = "local all,replication all trust\n"


def test_settings_come_with_the_startup_packet(backends: Backends) -> None:
    client = backends.connect()
    messages = client.start(options="-c application_name=from\\ options -c statement_timeout=40")
    assert b"application_name\0from options\0" in [message.body for message in messages]
    assert error_of(client.query("select pg_sleep(60)"))["C"] == "57014"


def test_garbage_instead_of_a_startup_packet_is_not_answered(backends: Backends) -> None:
    client = backends.connect()
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.at_end()
    assert "invalid length of startup packet" in backends.log()


def test_a_client_that_says_nothing_is_cut_off(backends: Backends) -> None:
    client = backends.connect(authentication_timeout=1)
    assert client.at_end()
    assert backends.wait_for_end() == 0


def test_no_rule_for_the_host_is_said_with_all_that_did_not_fit(backends: Backends) -> None:
    backends.write_hba("host all all 10.0.0.0/8 trust\nhost all all 127.0.0.2/32 reject\n")
    error = error_of(backends.connect().start())
    assert (error["C"], error["M"]) == (
        "28000",
        (
            'no pg_hba.conf entry for host "[local]", user "postgres", database "postgres", '
            "no encryption"
        ),
    )
    error = error_of(backends.connect("127.0.0.2").start())
    assert error["M"] == (
        'pg_hba.conf rejects connection for host "127.0.0.2", user "postgres", '
        'database "postgres", no encryption'
    )


def test_a_wrong_rule_file_lets_nobody_in(backends: Backends) -> None:
    backends.write_hba("local all all nonsense\n")
    error = error_of(backends.connect().start())
    assert (error["C"], error["M"]) == ("F0000", "could not load pg_hba.conf")


def test_a_role_may_be_forbidden_to_log_in(backends: Backends) -> None:
    backends.roles["group"] = Role(11, "group", can_login=False)
    error = error_of(backends.connect().start(user="group"))
    assert (error["C"], error["M"]) == ("28000", 'role "group" is not permitted to log in')
