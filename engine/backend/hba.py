"""pg_hba.conf: who may connect from where, and how they prove who they are.

The first line that fits the connection decides. A line is
`TYPE DATABASE USER ADDRESS METHOD`, without the address for `local`.

Source: PostgreSQL 15, `libpq/hba.c`. Not there: `@file` inclusion, host names other than localhost,
and role membership, so `+role` is the role itself. `samehost` and `samenet` are the loopback
addresses, the only network this server is meant for.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from engine.errors import FatalError, SqlState
from engine.host.api import Host
from engine.host.whole_file import read_file

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CONNECTION_TYPES: Final = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
METHODS: Final = ("trust", "reject", "scram-sha-256", "md5")
_UNSUPPORTED_METHODS: Final = (
    "password", "gss", "sspi", "ident", "peer", "ldap", "radius", "cert", "pam", "bsd",
)  # fmt: skip
_LOOPBACK: Final[tuple[_Network, ...]] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)
_TOKEN: Final = re.compile(r'\s*(?:(#.*)|((?:"(?:[^"]|"")*"|[^\s,"#]+)+|,))')


@dataclass(frozen=True)
class Token:
    """A word of the file; a quoted one has no special meaning."""

    text: str
    quoted: bool = False

    def is_keyword(self, word: str) -> bool:
        return not self.quoted and self.text == word


@dataclass(frozen=True)
class HbaLine:
    """One rule. `networks` is None for any address, and for `local`."""

    number: int
    source: str
    connection_type: str
    databases: tuple[Token, ...]
    users: tuple[Token, ...]
    networks: tuple[_Network, ...] | None
    method: str

    def fits(self, address: str | None, database: str, user: str, replication: bool) -> bool:
        """Whether the rule is for this connection (which never is encrypted)."""
        if self.connection_type in ("hostssl", "hostgssenc"):
            return False
        if (self.connection_type == "local") != (address is None):
            return False
        if self.networks is not None and address is not None:
            where = _address(address)
            if not any(where in network for network in self.networks):
                return False
        return self._names_database(database, user, replication) and self._names_user(user)

    def _names_database(self, database: str, user: str, replication: bool) -> bool:
        for token in self.databases:
            if replication:
                if token.is_keyword("replication"):
                    return True
            elif token.is_keyword("all"):
                return True
            elif token.is_keyword("sameuser") or token.is_keyword("samerole"):
                if database == user:
                    return True
            elif not token.is_keyword("replication") and token.text == database:
                return True
        return False

    def _names_user(self, user: str) -> bool:
        for token in self.users:
            if token.is_keyword("all"):
                return True
            name = token.text
            if not token.quoted and name.startswith("+"):
                name = name[1:]
            if name == user:
                return True
        return False


class HbaFileError(Exception):
    """A line of the file is wrong; the message names it."""


def parse_hba(text: str, path: str) -> list[HbaLine]:
    """All rules of the file; HbaFileError for the first line that is none."""
    rules: list[HbaLine] = []
    pending = ""
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.endswith("\\"):
            pending += line[:-1]
            continue
        whole, pending = pending + line, ""
        fields = _fields(whole)
        if fields:
            try:
                rules.append(_parse_line(start, whole.strip(), fields))
            except HbaFileError as error:
                raise HbaFileError(
                    f'{error} (line {start} of configuration file "{path}")'
                ) from None
        start = 0
    return rules


def load_hba(host: Host, path: str) -> list[HbaLine]:
    """Read and parse the file; a FATAL F0000 when that fails."""
    try:
        return parse_hba(read_file(host, path).decode("utf-8", "replace"), path)
    except OSError as error:
        reason = f'could not open configuration file "{path}": {error.strerror}'
    except HbaFileError as error:
        reason = str(error)
    raise FatalError(SqlState.CONFIG_FILE_ERROR, "could not load pg_hba.conf", detail=reason)


def find_rule(
    rules: list[HbaLine], address: str | None, database: str, user: str, *, replication: bool
) -> HbaLine | None:
    """The first rule that fits, None when there is none."""
    for rule in rules:
        if rule.fits(address, database, user, replication):
            return rule
    return None


def _fields(line: str) -> list[list[Token]]:
    """The fields of a line, each a list of its comma-separated words."""
    fields: list[list[Token]] = []
    continues = False
    position = 0
    while (match := _TOKEN.match(line, position)) is not None:
        position = match.end()
        word = match.group(2)
        if word is None:
            break
        if word == ",":
            continues = True
            continue
        quoted = word.startswith('"')
        token = Token(word.replace('"', ""), quoted)
        if continues and fields:
            fields[-1].append(token)
        else:
            fields.append([token])
        continues = False
    return fields


def _parse_line(number: int, source: str, fields: list[list[Token]]) -> HbaLine:
    connection_type = _single(fields, 0, "connection type")
    if connection_type not in CONNECTION_TYPES:
        raise HbaFileError(f'invalid connection type "{connection_type}"')
    if len(fields) < 2:
        raise HbaFileError("end-of-line before database specification")
    if len(fields) < 3:
        raise HbaFileError("end-of-line before role specification")
    following = 3
    networks = None
    if connection_type != "local":
        if len(fields) < 4:
            raise HbaFileError("end-of-line before IP address specification")
        networks, following = _networks(fields)
    if len(fields) <= following:
        raise HbaFileError("end-of-line before authentication method")
    method = _single(fields, following, "authentication type")
    if method in _UNSUPPORTED_METHODS:
        raise HbaFileError(f'invalid authentication method "{method}": not supported by this build')
    if method not in METHODS:
        raise HbaFileError(f'invalid authentication method "{method}"')
    if len(fields) > following + 1:
        option = fields[following + 1][0].text
        raise HbaFileError(f"authentication option not in name=value format: {option}")
    return HbaLine(
        number,
        source,
        connection_type,
        tuple(fields[1]),
        tuple(fields[2]),
        networks,
        method,
    )


def _single(fields: list[list[Token]], index: int, what: str) -> str:
    if len(fields[index]) > 1:
        raise HbaFileError(f"multiple values specified for {what}")
    return fields[index][0].text


def _networks(fields: list[list[Token]]) -> tuple[tuple[_Network, ...] | None, int]:
    """The addresses of a `host` line, and the index of the field behind them."""
    text = _single(fields, 3, "host address")
    if text == "all":
        return None, 4
    if text in ("samehost", "samenet", "localhost"):
        return _LOOPBACK, 4
    if "/" in text:
        return (_network(text, f'invalid CIDR mask in address "{text}"'),), 4
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise HbaFileError(f'host name "{text}" is not supported: specify an address') from None
    if len(fields) < 5:
        raise HbaFileError("end-of-line before netmask specification")
    mask = _single(fields, 4, "netmask")
    return (_network(f"{text}/{_prefix_length(mask)}", f'invalid IP mask "{mask}"'),), 5


def _network(text: str, message: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise HbaFileError(message) from None


def _prefix_length(mask: str) -> str:
    """A netmask as the number of its leading ones."""
    try:
        value = ipaddress.ip_address(mask)
    except ValueError:
        raise HbaFileError(f'invalid IP mask "{mask}"') from None
    bits = f"{int(value):0{value.max_prefixlen}b}".rstrip("0")
    if "0" in bits:
        raise HbaFileError(f'invalid IP mask "{mask}"')
    return str(len(bits))


def _address(text: str) -> _Address:
    """The peer's address; an IPv4 address in IPv6 clothes is an IPv4 address."""
    address = ipaddress.ip_address(text.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
