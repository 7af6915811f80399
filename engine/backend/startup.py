"""The beginning of a connection: encryption requests, the startup packet, or a cancel request.

Source: PostgreSQL 15, `postmaster.c` (ProcessStartupPacket), `utils/init/postinit.c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.backend.client import Client, ClientGone, Deadline
from engine.errors import FatalError, SqlState, not_supported
from engine.protocol.backend import SSL_REFUSED, negotiate_protocol_version
from engine.protocol.framing import ProtocolViolation
from engine.protocol.startup import (
    GSSENC_REQUEST_CODE,
    PROTOCOL_3_0,
    SSL_REQUEST_CODE,
    CancelRequest,
    GssEncRequest,
    SslRequest,
    StartupMessage,
    UnsupportedProtocol,
    parse_startup_packet,
    split_command_line_options,
)

_NAME_BYTES: Final = 63
_NOT_SETTINGS: Final = ("user", "database", "options", "replication")


@dataclass(frozen=True)
class StartupRequest:
    """What the client asked for: who it is, which database, which settings (in the order given)."""

    user: str
    database: str
    settings: tuple[tuple[str, str], ...]
    is_replication: bool = False


def receive_startup(client: Client, deadline: Deadline | None) -> StartupMessage | CancelRequest:
    """Read until the client says what it wants, refusing each kind of encryption once.

    Raises ClientGone when it says nothing, or what cannot be understood, and FATAL errors.
    """
    refused: list[type] = []
    while True:
        try:
            packet = parse_startup_packet(client.read_startup_packet(deadline))
        except ProtocolViolation as violation:
            raise ClientGone(violation.message) from None
        if isinstance(packet, (SslRequest, GssEncRequest)):
            if type(packet) in refused:
                code = SSL_REQUEST_CODE if isinstance(packet, SslRequest) else GSSENC_REQUEST_CODE
                raise UnsupportedProtocol(code)
            refused.append(type(packet))
            client.out += SSL_REFUSED
            client.flush()
            continue
        return packet


def interpret_startup(message: StartupMessage) -> StartupRequest:
    """The request of a startup message; FATAL errors for what it lacks or must not have."""
    options = message.options
    user = _cut_name(options.get("user", ""))
    if not user:
        raise FatalError(
            SqlState.INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet",
        )
    settings: list[tuple[str, str]] = []
    if "options" in options:
        settings.extend(split_command_line_options(options["options"]))
    settings.extend(
        (name, value)
        for name, value in options.items()
        if name not in _NOT_SETTINGS and not name.startswith("_pq_.")
    )
    return StartupRequest(
        user,
        _cut_name(options.get("database", "")) or user,
        tuple(settings),
        _is_replication(options.get("replication")),
    )


def negotiation(message: StartupMessage) -> bytes:
    """NegotiateProtocolVersion when the client asked for more than 3.0, else nothing."""
    unknown = message.unknown_protocol_options
    if not unknown and message.minor_version == 0:
        return b""
    return negotiate_protocol_version(PROTOCOL_3_0, unknown)


def refuse_replication() -> FatalError:
    """There are no WAL senders yet."""
    missing = not_supported("a replication connection")
    return FatalError(missing.sqlstate, missing.message)


def _is_replication(value: str | None) -> bool:
    if value is None:
        return False
    lowered = value.lower()
    if lowered in ("database", "true", "on", "yes", "1"):
        return True
    if lowered in ("false", "off", "no", "0"):
        return False
    raise FatalError(
        SqlState.INVALID_PARAMETER_VALUE,
        f'invalid value for parameter "replication": "{value}"',
        hint='Valid values are: "false", 0, "true", 1, "database".',
    )


def _cut_name(name: str) -> str:
    raw = name.encode()
    return name if len(raw) <= _NAME_BYTES else raw[:_NAME_BYTES].decode(errors="ignore")
