"""SCRAM-SHA-256 over the wire, the client's side played by the same library."""

from __future__ import annotations

import pytest
from scramp import ScramClient

from engine.backend.abc import Role
from engine.backend.authentication import build_verifier, parse_verifier
from engine.protocol import frontend, startup
from engine.protocol.backend import BackendMessage, parse_error_fields
from tests.engine.backend.conftest import Backends, WireClient, error_of

VERIFIER = build_verifier("secret", b"sixteen  bytes !")


def next_message(client: WireClient) -> BackendMessage:
    message = client.next()
    assert message is not None
    return message


def log_in(client: WireClient, user: str, password: str) -> list[BackendMessage]:
    """Run the exchange; the messages from the server's verdict on."""
    client.send(startup.build_startup_message({"user": user, "database": "postgres"}))
    offer = next_message(client)
    assert offer.body == b"\0\0\0\x0aSCRAM-SHA-256\0\0"
    scram = ScramClient(["SCRAM-SHA-256"], user, password)
    first = scram.get_client_first().encode()
    client.send(frontend.build_sasl_initial_response("SCRAM-SHA-256", first))
    challenge = next_message(client)
    assert challenge.body[:4] == b"\0\0\0\x0b"
    scram.set_server_first(challenge.body[4:].decode())
    client.send(frontend.build_sasl_response(scram.get_client_final().encode()))
    messages = client.answer()
    if messages[0].kind == "R":
        scram.set_server_final(messages[0].body[4:].decode())
    return messages


def test_the_right_password_lets_in_and_proves_the_server(backends: Backends) -> None:
    backends.roles["postgres"] = Role(10, "postgres", verifier=VERIFIER)
    messages = log_in(backends.connect("127.0.0.1"), "postgres", "secret")
    assert messages[-1].kind == "Z"


@pytest.mark.parametrize(
    ("user", "password", "detail"),
    [
        ("postgres", "wrong", "Connection matched pg_hba.conf line 2"),
        ("nobody", "secret", 'Role "nobody" does not exist.'),
        ("empty", "secret", 'User "empty" has no password assigned.'),
        ("broken", "secret", 'User "broken" does not have a valid SCRAM secret.'),
    ],
)
def test_every_other_attempt_fails_alike_and_only_the_log_knows_why(
    backends: Backends, user: str, password: str, detail: str
) -> None:
    backends.roles["postgres"] = Role(10, "postgres", verifier=VERIFIER)
    backends.roles["empty"] = Role(11, "empty")
    backends.roles["broken"] = Role(12, "broken", verifier="md5abc")
    (message,) = log_in(backends.connect("127.0.0.1"), user, password)
    fields = parse_error_fields(message.body)
    assert fields == {
        "S": "FATAL",
        "V": "FATAL",
        "C": "28P01",
        "M": f'password authentication failed for user "{user}"',
    }
    assert backends.wait_for_end() == 1
    assert detail in backends.log()


def test_something_else_than_a_password_message_is_refused(backends: Backends) -> None:
    backends.roles["postgres"] = Role(10, "postgres", verifier=VERIFIER)
    client = backends.connect("127.0.0.1")
    client.send(startup.build_startup_message({"user": "postgres"}))
    next_message(client)
    error = error_of(client.query("select 1"))
    assert (error["C"], error["M"]) == (
        "08P01",
        "expected SASL response, got message type 81",
    )


@pytest.mark.parametrize("first", [b"", b"\xff", b"n,,", b"n,,n=,r=", b"p=tls,,n=,r=abc"])
def test_a_malformed_exchange_is_a_protocol_violation(backends: Backends, first: bytes) -> None:
    backends.roles["postgres"] = Role(10, "postgres", verifier=VERIFIER)
    client = backends.connect("127.0.0.1")
    client.send(startup.build_startup_message({"user": "postgres"}))
    next_message(client)
    messages = client.ask(frontend.build_sasl_initial_response("SCRAM-SHA-256", first))
    if messages[0].kind == "R":
        return
    assert error_of(messages)["C"] == "08P01"


def test_a_silent_client_does_not_stay_in_authentication(backends: Backends) -> None:
    backends.roles["postgres"] = Role(10, "postgres", verifier=VERIFIER)
    client = backends.connect("127.0.0.1", authentication_timeout=1)
    client.send(startup.build_startup_message({"user": "postgres"}))
    next_message(client)
    error = error_of(client.answer())
    assert (error["S"], error["C"], error["M"]) == (
        "FATAL",
        "57014",
        "canceling authentication due to timeout",
    )


def test_verifiers_have_the_form_that_pg_authid_stores() -> None:
    assert VERIFIER.startswith("SCRAM-SHA-256$4096:")
    parsed = parse_verifier(VERIFIER)
    assert parsed is not None
    assert (parsed[0], parsed[3]) == (b"sixteen  bytes !", 4096)
    assert parse_verifier("md53175bce1d3201d16594cebf9d7eb3f9d") is None
    assert parse_verifier("SCRAM-SHA-256$x:y$z:w") is None
