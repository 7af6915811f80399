"""The packets that open a connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FatalError
from engine.protocol.startup import (
    CancelRequest,
    GssEncRequest,
    SslRequest,
    StartupMessage,
    build_cancel_request,
    build_gssenc_request,
    build_ssl_request,
    build_startup_message,
    parse_startup_packet,
    split_command_line_options,
)

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(words, words))
def test_a_startup_message_survives_the_round_trip(options: dict[str, str]) -> None:
    parsed = parse_startup_packet(build_startup_message(options)[4:])
    assert parsed == StartupMessage(3 << 16, options)


def test_the_other_packets_are_told_apart_by_their_codes() -> None:
    assert parse_startup_packet(build_ssl_request()[4:]) == SslRequest()
    assert isinstance(parse_startup_packet(build_gssenc_request()[4:]), GssEncRequest)
    assert parse_startup_packet(build_cancel_request(4711, 0xDEADBEEF)[4:]) == CancelRequest(
        4711, 0xDEADBEEF
    )


@given(st.binary(min_size=4, max_size=200))
def test_garbage_only_ever_raises_a_fatal_error(body: bytes) -> None:
    try:
        parse_startup_packet(body)
    except FatalError:
        pass


def test_protocol_two_is_refused_with_the_versions_served() -> None:
    with pytest.raises(FatalError, match=r"unsupported frontend protocol 2.0: server supports 3.0"):
        parse_startup_packet((2 << 16).to_bytes(4, "big") + b"\0")


def test_a_missing_terminator_is_an_invalid_layout() -> None:
    with pytest.raises(FatalError, match="expected terminator as last byte"):
        parse_startup_packet((3 << 16).to_bytes(4, "big") + b"user\0postgres\0")


def test_protocol_options_are_recognized_by_their_prefix() -> None:
    packet = build_startup_message({"user": "a", "_pq_.zip": "1"}, (3 << 16) + 7)
    parsed = parse_startup_packet(packet[4:])
    assert isinstance(parsed, StartupMessage)
    assert parsed.minor_version == 7
    assert parsed.unknown_protocol_options == ["_pq_.zip"]


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("-c a=1", [("a", "1")]),
        ("  -ca=1\t--work-mem=2MB ", [("a", "1"), ("work_mem", "2MB")]),
        (r"-c a=one\ two -c b=\\", [("a", "one two"), ("b", "\\")]),
        ("", []),
    ],
)
def test_command_line_options_are_split_as_postgresql_splits_them(
    text: str, settings: list[tuple[str, str]]
) -> None:
    assert split_command_line_options(text) == settings


def test_an_option_that_is_no_setting_is_refused() -> None:
    with pytest.raises(FatalError, match="invalid command-line argument for server process: -x"):
        split_command_line_options("-x")
    with pytest.raises(FatalError, match="-c a requires a value"):
        split_command_line_options("-c a")
