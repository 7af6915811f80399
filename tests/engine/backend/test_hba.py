"""pg_hba.conf: what it accepts, and which rule decides."""

from __future__ import annotations

import pytest

from engine.backend.hba import HbaFileError, HbaLine, find_rule, parse_hba


def rules(text: str) -> list[HbaLine]:
    return parse_hba(text, "pg_hba.conf")


def method(
    text: str, address: str | None, database: str = "postgres", user: str = "postgres"
) -> str | None:
    rule = find_rule(rules(text), address, database, user, replication=False)
    return rule.method if rule is not None else None


def test_the_first_rule_that_fits_decides() -> None:
    text = """
# comment
local   all   all                 trust   # another
host    all   all  127.0.0.1/32   scram-sha-256
host    all   all  127.0.0.0/8    reject
"""
    assert method(text, None) == "trust"
    assert method(text, "127.0.0.1") == "scram-sha-256"
    assert method(text, "127.1.2.3") == "reject"
    assert method(text, "10.0.0.1") is None
    assert [rule.number for rule in rules(text)] == [3, 4, 5]


def test_databases_and_users_are_lists_of_names() -> None:
    text = 'local "a b",c,sameuser "all",bob trust'
    assert method(text, None, "a b", "bob") == "trust"
    assert method(text, None, "c", "all") == "trust"
    assert method(text, None, "bob", "bob") == "trust"
    assert method(text, None, "c", "eve") is None
    assert method(text, None, "d", "bob") is None


def test_replication_is_a_database_of_its_own() -> None:
    everything, replication = rules("local all all trust\nlocal replication all reject")
    assert not everything.fits(None, "postgres", "postgres", True)
    assert replication.fits(None, "postgres", "postgres", True)
    assert not replication.fits(None, "replication", "postgres", False)


@pytest.mark.parametrize(
    ("where", "inside", "outside"),
    [
        ("10.1.0.0/16", "10.1.200.3", "10.2.0.1"),
        ("10.1.0.0 255.255.0.0", "10.1.200.3", "10.2.0.1"),
        ("::1/128", "::1", "::2"),
        ("127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        ("samehost", "127.0.0.1", "10.0.0.1"),
        ("localhost", "::1", "10.0.0.1"),
    ],
)
def test_addresses_are_networks(where: str, inside: str, outside: str) -> None:
    assert method(f"host all all {where} trust", inside) == "trust"
    assert method(f"host all all {where} trust", outside) is None


def test_all_is_any_address() -> None:
    assert method("host all all all trust", "fe80::1%eth0") == "trust"


def test_rules_for_encrypted_connections_never_fit_and_their_opposites_do() -> None:
    assert method("hostssl all all all trust", "127.0.0.1") is None
    assert method("hostgssenc all all all trust", "127.0.0.1") is None
    assert method("hostnossl all all all trust", "127.0.0.1") == "trust"
    assert method("hostnogssenc all all all trust", "127.0.0.1") == "trust"


def test_a_line_may_be_continued() -> None:
    (rule,) = rules("local all \\\n  all \\\n trust\n")
    assert (rule.number, rule.method) == (1, "trust")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("remote all all trust", 'invalid connection type "remote"'),
        ("local", "end-of-line before database specification"),
        ("local all", "end-of-line before role specification"),
        ("local all all", "end-of-line before authentication method"),
        ("host all all", "end-of-line before IP address specification"),
        ("host all all 127.0.0.1 trust", 'invalid IP mask "trust"'),
        ("host all all 127.0.0.1", "end-of-line before netmask specification"),
        ("host all all 127.0.0.1/99 trust", 'invalid CIDR mask in address "127.0.0.1/99"'),
        ("host all all 127.0.0.1 255.0.255.0 trust", 'invalid IP mask "255.0.255.0"'),
        ("local all all ldap", 'invalid authentication method "ldap": not supported'),
        ("local all all magic", 'invalid authentication method "magic"'),
        ("local all all trust,reject", "multiple values specified for authentication type"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str) -> None:
    with pytest.raises(
        HbaFileError, match=r"line 2 of configuration file \"pg_hba.conf\""
    ) as wrong:
        rules(f"local all all trust\n{line}\n")
    assert message in str(wrong.value)
