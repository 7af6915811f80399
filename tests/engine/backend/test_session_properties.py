"""SESSION-1 and SESSION-2: whatever is sent, the answers follow the protocol's grammar."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.protocol import frontend
from engine.protocol.backend import BackendMessage
from engine.protocol.framing import frame
from tests.engine.backend.conftest import Backends, WireClient

names = st.sampled_from(["", "", "a", "b"])
texts = st.sampled_from(
    [
        "select 1",
        "select $1",
        "select * from generate_series(1, 5)",
        "insert into t values (1) returning a",
        "select 1/0",
        "select missing",
        "begin",
        "commit",
        "rollback",
        "",
        "deallocate all",
        "close all",
        "declare a cursor for select * from generate_series(1, 3)",
        "fetch 1 from a",
        "set application_name = 'x'",
    ]
)
parameters = st.lists(st.sampled_from([b"1", b"x", None]), max_size=2)
queries = st.one_of(texts, st.lists(texts, min_size=2, max_size=3).map("; ".join))
messages = st.one_of(
    st.builds(frontend.build_query, queries),
    st.builds(frontend.build_parse, names, texts),
    st.builds(frontend.build_bind, names, names, parameters),
    st.builds(frontend.build_describe, st.sampled_from("SP"), names),
    st.builds(frontend.build_execute, names, st.integers(0, 2)),
    st.builds(frontend.build_close, st.sampled_from("SP"), names),
    st.just(frontend.SYNC),
    st.just(frontend.FLUSH),
    st.builds(frame, st.sampled_from([b"P", b"B", b"D", b"E", b"C", b"Q"]), st.binary(max_size=9)),
)

ENDS_OF_ANSWERS = {"P": "1E", "B": "2E", "E": "CsIE", "C": "3E", "D": "TnE", "Q": "Z", "S": "Z"}


def next_of_answer(client: WireClient) -> BackendMessage:
    """The next message that is not sent asynchronously."""
    while True:
        message = client.next()
        assert message is not None, "the session ended"
        if message.kind not in "NS":
            return message


def read_answer(client: WireClient, kind: str) -> str:
    """The kinds of the messages that answer one message of that kind."""
    seen = ""
    while not seen or seen[-1] not in ENDS_OF_ANSWERS[kind]:
        seen += next_of_answer(client).kind
    return seen


@given(sent=st.lists(messages, max_size=15))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None
)
def test_every_message_has_the_answer_that_its_kind_may_have(
    backends: Backends, sent: list[bytes]
) -> None:
    client = backends.clients[0] if backends.clients else backends.session()
    sent = [*sent, frontend.SYNC, frontend.build_query("rollback"), frontend.SYNC]
    client.send(*sent)
    skips_until_sync = False
    for message in sent:
        kind = chr(message[0])
        if kind == "S":
            skips_until_sync = False
        if kind == "H" or skips_until_sync:
            continue
        answer = read_answer(client, kind)
        assert "Z" not in answer[:-1]
        if answer[-1] == "E":
            skips_until_sync = True
    backends.said()


@given(sent=st.lists(st.binary(max_size=20), max_size=5))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
def test_garbage_ends_a_session_or_not_but_never_crashes_it(
    backends: Backends, sent: list[bytes]
) -> None:
    client = backends.session()
    client.send(*sent)
    client.socket.shutdown(1)
    while client.next() is not None:
        pass
    assert backends.wait_for_end() in (0, 1)
    backends.clients.pop().socket.close()
    backends.pids.clear()
