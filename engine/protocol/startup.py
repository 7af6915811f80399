"""The packets that open a connection: StartupMessage, CancelRequest, SSLRequest, GSSENCRequest.

Source: `postmaster.c` (ProcessStartupPacket), whose error texts these are.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from engine.errors import FatalError, SqlState

PROTOCOL_3_0: Final = 3 << 16
CANCEL_REQUEST_CODE: Final = 80877102
SSL_REQUEST_CODE: Final = 80877103
GSSENC_REQUEST_CODE: Final = 80877104

_CODE = Struct("!I")
_CANCEL = Struct("!III")
_LENGTH = Struct("!I")


class SslRequest(NamedTuple):
    """The client would like TLS."""


class GssEncRequest(NamedTuple):
    """The client would like GSSAPI encryption."""


class CancelRequest(NamedTuple):
    """Cancel what the backend with this pid runs, if the key is right."""

    pid: int
    key: int


class StartupMessage(NamedTuple):
    """The protocol version asked for, and the options by name, in the order sent."""

    version: int
    options: dict[str, str]

    @property
    def minor_version(self) -> int:
        return self.version & 0xFFFF

    @property
    def unknown_protocol_options(self) -> list[str]:
        """Names that begin with `_pq_.`: protocol extensions, none of which this server knows."""
        return [name for name in self.options if name.startswith("_pq_.")]


class UnsupportedProtocol(FatalError):
    """The client speaks another major version; before 3 an error looked different, too."""

    def __init__(self, version: int) -> None:
        super().__init__(
            SqlState.FEATURE_NOT_SUPPORTED,
            f"unsupported frontend protocol {version >> 16}.{version & 0xFFFF}: "
            "server supports 3.0 to 3.0",
        )
        self.version = version

    def old_message(self) -> bytes | None:
        """The error as clients before version 3 expect it, None for a newer one."""
        if self.version >> 16 >= 3:
            return None
        return b"E" + f"FATAL:  {self.message}\n".encode() + b"\0"


StartupPacket = SslRequest | GssEncRequest | CancelRequest | StartupMessage


def parse_startup_packet(body: bytes) -> StartupPacket:
    """The meaning of a startup packet (without its length word)."""
    (code,) = _CODE.unpack_from(body)
    if code == CANCEL_REQUEST_CODE:
        if len(body) != 12:
            raise FatalError(SqlState.PROTOCOL_VIOLATION, "invalid length of startup packet")
        _, pid, key = _CANCEL.unpack(body)
        return CancelRequest(pid, key)
    if code == SSL_REQUEST_CODE:
        return SslRequest()
    if code == GSSENC_REQUEST_CODE:
        return GssEncRequest()
    if code >> 16 != 3:
        raise UnsupportedProtocol(code)
    return StartupMessage(code, _parse_options(body))


def _parse_options(body: bytes) -> dict[str, str]:
    options: dict[str, str] = {}
    position = 4
    while position < len(body) and body[position] != 0:
        name_end = body.find(b"\0", position)
        value_end = body.find(b"\0", name_end + 1) if name_end >= 0 else -1
        if value_end < 0:
            position = len(body)
            break
        name = body[position:name_end].decode("utf-8", "replace")
        options[name] = body[name_end + 1 : value_end].decode("utf-8", "replace")
        position = value_end + 1
    if position != len(body) - 1:
        raise FatalError(
            SqlState.PROTOCOL_VIOLATION,
            "invalid startup packet layout: expected terminator as last byte",
        )
    return options


def _packet(body: bytes) -> bytes:
    return _LENGTH.pack(len(body) + 4) + body


def build_startup_message(options: dict[str, str], version: int = PROTOCOL_3_0) -> bytes:
    """What a client sends to open a session."""
    pairs = b"".join(
        name.encode() + b"\0" + value.encode() + b"\0" for name, value in options.items()
    )
    return _packet(_CODE.pack(version) + pairs + b"\0")


def build_cancel_request(pid: int, key: int) -> bytes:
    """What a client sends on a connection of its own to cancel a query."""
    return _packet(_CANCEL.pack(CANCEL_REQUEST_CODE, pid, key))


def build_ssl_request() -> bytes:
    """The question whether the server speaks TLS; answered by one byte."""
    return _packet(_CODE.pack(SSL_REQUEST_CODE))


def build_gssenc_request() -> bytes:
    """The question whether the server speaks GSSAPI encryption; answered by one byte."""
    return _packet(_CODE.pack(GSSENC_REQUEST_CODE))


def split_command_line_options(text: str) -> list[tuple[str, str]]:
    """The settings in the startup option `options`: `-c name=value`, `--name=value`, `\\ ` escapes.

    Source: pg_split_opts and process_postgres_switches. Raises 42601 for anything else.
    """
    words: list[str] = []
    word: list[str] = []
    inside = False
    characters = iter(text)
    for character in characters:
        if character.isspace():
            if inside:
                words.append("".join(word))
                word, inside = [], False
            continue
        inside = True
        word.append(next(characters, "") if character == "\\" else character)
    if inside:
        words.append("".join(word))
    settings: list[tuple[str, str]] = []
    position = 0
    while position < len(words):
        current = words[position]
        position += 1
        if current == "-c" and position < len(words):
            assignment = words[position]
            position += 1
        elif current.startswith(("-c", "--")) and len(current) > 2:
            assignment = current[2:]
        else:
            raise FatalError(
                SqlState.SYNTAX_ERROR,
                f"invalid command-line argument for server process: {current}",
            )
        name, separator, value = assignment.partition("=")
        if not separator:
            raise FatalError(
                SqlState.SYNTAX_ERROR,
                f"-c {assignment} requires a value"
                if not current.startswith("--")
                else f"--{assignment} requires a value",
            )
        settings.append((name.replace("-", "_"), value))
    return settings
