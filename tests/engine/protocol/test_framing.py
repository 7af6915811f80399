"""Cutting the stream into messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol.framing import (
    LARGE_MESSAGE_LIMIT,
    MESSAGE_LIMITS,
    PASSWORD_LIMITS,
    ProtocolViolation,
    ReceiveBuffer,
    frame,
)

messages = st.lists(
    st.tuples(st.sampled_from(sorted(MESSAGE_LIMITS)), st.binary(max_size=50)), max_size=8
)


@given(sent=messages, cuts=st.lists(st.integers(1, 30)))
def test_messages_come_out_whole_and_in_order_however_the_stream_is_cut(
    sent: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(frame(bytes([kind]), body) for kind, body in sent)
    buffer = ReceiveBuffer()
    received = []
    position = 0
    while position < len(stream):
        length = cuts.pop() if cuts else len(stream)
        buffer.feed(stream[position : position + length])
        position += length
        while (message := buffer.next_message(MESSAGE_LIMITS)) is not None:
            received.append(message)
    assert received == sent
    assert len(buffer) == 0


def test_a_type_that_does_not_exist_is_refused_by_its_first_byte() -> None:
    buffer = ReceiveBuffer()
    buffer.feed(b"z")
    with pytest.raises(ProtocolViolation, match="invalid frontend message type 122") as refused:
        buffer.next_message(MESSAGE_LIMITS)
    assert refused.value.tell_client


@pytest.mark.parametrize("length", [0, 3, 10_005, 0xFFFFFFFF])
def test_a_length_that_the_type_cannot_have_is_refused(length: int) -> None:
    buffer = ReceiveBuffer()
    buffer.feed(b"S" + length.to_bytes(4, "big"))
    with pytest.raises(ProtocolViolation, match="invalid message length") as refused:
        buffer.next_message(MESSAGE_LIMITS)
    assert not refused.value.tell_client


def test_a_query_may_be_a_gigabyte_but_not_more() -> None:
    buffer = ReceiveBuffer()
    buffer.feed(b"Q" + LARGE_MESSAGE_LIMIT.to_bytes(4, "big"))
    assert buffer.next_message(MESSAGE_LIMITS) is None
    buffer = ReceiveBuffer()
    buffer.feed(b"Q" + (LARGE_MESSAGE_LIMIT + 1).to_bytes(4, "big"))
    with pytest.raises(ProtocolViolation):
        buffer.next_message(MESSAGE_LIMITS)


def test_while_a_password_is_awaited_nothing_else_may_come() -> None:
    buffer = ReceiveBuffer()
    buffer.feed(b"Q\0\0\0\5\0")
    with pytest.raises(ProtocolViolation, match="expected password response, got message type 81"):
        buffer.next_message(PASSWORD_LIMITS)


@pytest.mark.parametrize("length", [0, 7, 10_005, 0xFFFFFFFF])
def test_a_startup_packet_has_a_sensible_length(length: int) -> None:
    buffer = ReceiveBuffer()
    buffer.feed(length.to_bytes(4, "big"))
    with pytest.raises(ProtocolViolation, match="invalid length of startup packet"):
        buffer.next_startup_packet()


@given(st.binary(max_size=100))
def test_garbage_only_ever_raises_a_protocol_violation(data: bytes) -> None:
    buffer = ReceiveBuffer()
    buffer.feed(data)
    try:
        while buffer.next_message(MESSAGE_LIMITS) is not None:
            pass
    except ProtocolViolation:
        pass
