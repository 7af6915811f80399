"""Authentication: the rule of pg_hba.conf that fits, then what its method asks for.

SCRAM-SHA-256 is the `scramp` library's; here are the messages around it and PostgreSQL's errors.
The client of an unknown role, or of one without a password, gets the whole exchange with a made-up
verifier, and the same error as for a wrong password.

Source: PostgreSQL 15, `libpq/auth.c`, `auth-scram.c`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from scramp import ScramException, ScramMechanism
from scramp.core import ScramServer, ServerError

from engine.backend.abc import Role
from engine.backend.client import Client, Deadline
from engine.backend.hba import HbaLine, find_rule
from engine.errors import FatalError, SqlState
from engine.host.api import Host
from engine.protocol.backend import (
    authentication_sasl,
    authentication_sasl_continue,
    authentication_sasl_final,
)
from engine.protocol.framing import PASSWORD_LIMITS, ProtocolViolation
from engine.protocol.frontend import parse_sasl_initial_response

MECHANISM = "SCRAM-SHA-256"
ITERATIONS = 4096


@dataclass(frozen=True)
class Applicant:
    """Who wants in. `address` is None on a Unix socket."""

    user: str
    database: str
    address: str | None
    replication: bool = False

    @property
    def host_text(self) -> str:
        return "[local]" if self.address is None else self.address


class Authentication:
    """Decides on one connection. `log_detail` says afterwards what only the log may know."""

    def __init__(
        self,
        host: Host,
        client: Client,
        rules: list[HbaLine],
        find_role: Callable[[str], Role | None],
        deadline: Deadline | None,
    ) -> None:
        self._host = host
        self._client = client
        self._rules = rules
        self._find_role = find_role
        self._deadline = deadline
        self.log_detail = ""

    def run(self, applicant: Applicant) -> None:
        """Return when the client is who it says (AUTH-1); a FATAL 28000 or 28P01 otherwise."""
        rule = find_rule(
            self._rules,
            applicant.address,
            applicant.database,
            applicant.user,
            replication=applicant.replication,
        )
        if rule is None:
            raise _refused(applicant, by_rule=False)
        if rule.method == "reject":
            raise _refused(applicant, by_rule=True)
        if rule.method != "trust":
            self._run_scram(applicant.user, rule)

    def _run_scram(self, user: str, rule: HbaLine) -> None:
        role = self._find_role(user)
        verifier = parse_verifier(role.verifier) if role is not None and role.verifier else None
        if role is None:
            self.log_detail = f'Role "{user}" does not exist.'
        elif not role.verifier:
            self.log_detail = f'User "{user}" has no password assigned.'
        elif verifier is None:
            self.log_detail = f'User "{user}" does not have a valid SCRAM secret.'
        is_doomed = verifier is None
        nonce = base64.b64encode(self._host.random_bytes(18)).decode()
        known = verifier or self._mock_verifier(user)
        server = ScramMechanism(MECHANISM).make_server(lambda _: known, s_nonce=nonce)
        self._client.out += authentication_sasl([MECHANISM])
        initial = parse_sasl_initial_response(self._read_response("SASL"))
        if initial.mechanism != MECHANISM:
            raise FatalError(
                SqlState.PROTOCOL_VIOLATION,
                "client selected an invalid SASL authentication mechanism",
            )
        response = initial.response
        if response is None:
            self._client.out += authentication_sasl_continue(b"")
            response = self._read_response("SASL")
        failed = _password_failed(user)
        try:
            _set_client_first(server, _scram_text(response))
            self._client.out += authentication_sasl_continue(server.get_server_first().encode())
            server.set_client_final(_scram_text(self._read_response("SASL")))
        except ScramException as error:
            if error.server_error == ServerError.INVALID_PROOF:
                self._remember_rule(rule)
                raise failed from None
            raise FatalError(
                SqlState.PROTOCOL_VIOLATION, "malformed SCRAM message", detail=str(error)
            ) from None
        if is_doomed:
            self._remember_rule(rule)
            raise failed
        self._client.out += authentication_sasl_final(server.get_server_final().encode())

    def _read_response(self, what: str) -> bytes:
        self._client.flush()
        try:
            _, body = self._client.read_message(PASSWORD_LIMITS, self._deadline)
        except ProtocolViolation as violation:
            message = violation.message.replace("password", what, 1)
            raise FatalError(SqlState.PROTOCOL_VIOLATION, message) from None
        return body

    def _mock_verifier(self, user: str) -> tuple[bytes, bytes, bytes, int]:
        """A verifier that no password fits, its salt the same each time for the same name."""
        salt = hashlib.sha256(b"mock authentication " + user.encode()).digest()[:16]
        return salt, self._host.random_bytes(32), self._host.random_bytes(32), ITERATIONS

    def _remember_rule(self, rule: HbaLine) -> None:
        matched = f'Connection matched pg_hba.conf line {rule.number}: "{rule.source}"'
        self.log_detail = f"{self.log_detail}\n{matched}".lstrip()


def parse_verifier(text: str) -> tuple[bytes, bytes, bytes, int] | None:
    """(salt, stored key, server key, iterations) of `SCRAM-SHA-256$4096:SALT$STORED:SERVER`."""
    try:
        mechanism, parameters, keys = text.split("$")
        iterations, salt = parameters.split(":")
        stored, server = keys.split(":")
        if mechanism != MECHANISM:
            return None
        decode = base64.b64decode
        return decode(salt), decode(stored), decode(server), int(iterations)
    except ValueError:
        return None


def build_verifier(password: str, salt: bytes) -> str:
    """What pg_authid.rolpassword stores for a password; `salt` is 16 random bytes."""
    salt, stored, server, iterations = ScramMechanism(MECHANISM).make_auth_info(
        password, iteration_count=ITERATIONS, salt=salt
    )
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"{MECHANISM}${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _set_client_first(server: ScramServer, message: str) -> None:
    """Hand over the client's first message.

    libpq sends an empty user name, since the startup packet has it; the library insists on one. The
    message that the proof is about stays as it was sent.
    """
    header_end = message.find(",", message.find(",") + 1) + 1
    header, bare = message[:header_end], message[header_end:]
    if bare.startswith("n=,"):
        server.set_client_first(f"{header}n=*,{bare[3:]}")
        server.client_first_bare = bare
    else:
        server.set_client_first(message)


def _scram_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FatalError(SqlState.PROTOCOL_VIOLATION, "malformed SCRAM message") from None


def _refused(applicant: Applicant, *, by_rule: bool) -> FatalError:
    if by_rule:
        kind = "replication connection" if applicant.replication else "connection"
        reason = f"pg_hba.conf rejects {kind} for host"
    else:
        kind = "replication connection from " if applicant.replication else ""
        reason = f"no pg_hba.conf entry for {kind}host"
    database = "" if applicant.replication else f', database "{applicant.database}"'
    return FatalError(
        SqlState.INVALID_AUTHORIZATION,
        f'{reason} "{applicant.host_text}", user "{applicant.user}"{database}, no encryption',
    )


def _password_failed(user: str) -> FatalError:
    return FatalError(
        SqlState.INVALID_PASSWORD, f'password authentication failed for user "{user}"'
    )
