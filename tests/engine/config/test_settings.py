"""Settings: values with units, postgresql.conf, a session's own view."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import SETTINGS, Config, SessionSettings, format_setting, parse_setting
from engine.config.server import read_configuration
from engine.errors import FatalError, SqlError
from engine.host.real import RealHost


@pytest.mark.parametrize(
    ("name", "text", "value", "shown"),
    [
        ("shared_buffers", "128kB", 16, "128kB"),
        ("shared_buffers", "16", 16, "128kB"),
        ("max_wal_size", "1GB", 1024, "1GB"),
        ("wal_writer_delay", "10s", 10000, "10s"),
        ("checkpoint_timeout", "5min", 300, "5min"),
        ("fsync", "off", False, "off"),
        ("fsync", "yes", True, "on"),
        ("synchronous_commit", "OFF", "off", "off"),
        ("checkpoint_completion_target", "0.5", 0.5, "0.5"),
        ("wal_buffers", "-1", -1, "-1"),
        ("wal_consistency_checking", "Heap, btree", "Heap, btree", "Heap, btree"),
        ("wal_consistency_checking", "", "", ""),
    ],
)
def test_a_value_is_read_in_its_unit_and_shown_in_the_largest_that_fits(
    name: str, text: str, value: object, shown: str
) -> None:
    setting = SETTINGS[name]
    parsed = parse_setting(setting, text)
    assert parsed == value
    assert format_setting(setting, parsed) == shown


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("shared_buffers", "8kB", "is outside the valid range for parameter"),
        ("shared_buffers", "many", 'invalid value for parameter "shared_buffers": "many"'),
        ("shared_buffers", "3 parsecs", 'invalid value for parameter "shared_buffers"'),
        ("fsync", "maybe", 'parameter "fsync" requires a Boolean value'),
        ("wal_level", "logical", 'invalid value for parameter "wal_level": "logical"'),
    ],
)
def test_a_value_that_means_nothing_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        parse_setting(SETTINGS[name], text)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("heap, xlog", 'Unrecognized key word: "xlog".'),
        ("heap,,all", "List syntax is invalid."),
    ],
)
def test_a_list_may_hold_only_its_words(text: str, detail: str) -> None:
    with pytest.raises(SqlError, match="invalid value for parameter") as caught:
        parse_setting(SETTINGS["wal_consistency_checking"], text)
    assert caught.value.detail == detail


def test_the_file_gives_way_to_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "postgresql.conf").write_text(
        "# a comment\nshared_buffers = 1MB # and another\nport 5433\nsearch_path = 'a''b'\n"
    )
    config = read_configuration(RealHost(str(tmp_path)), {"port": "5434"})
    assert (config.shared_buffers, config.port, config.search_path) == (128, 5434, "a'b")
    assert config.max_connections == Config().max_connections


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "nonsense = 1\n",
            'unrecognized configuration parameter "nonsense" in postgresql.conf line 1',
        ),
        (
            "\nfsync = 7\n",
            'parameter "fsync" requires a Boolean value \\(in postgresql.conf line 2\\)',
        ),
        ("fsync = = on\n", 'syntax error in file "postgresql.conf" line 1'),
        ("server_version = 1\n", 'parameter "server_version" cannot be changed'),
    ],
)
def test_a_bad_line_is_refused_by_name_and_number(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "postgresql.conf").write_text(text)
    with pytest.raises(FatalError, match=message):
        read_configuration(RealHost(str(tmp_path)))


def test_set_is_undone_by_an_abort_and_kept_by_a_commit() -> None:
    settings = SessionSettings(Config())
    settings.set("statement_timeout", "5s")
    settings.at_transaction_end(committed=False)
    assert settings.show("statement_timeout") == "0"
    settings.set("statement_timeout", "5s")
    settings.at_transaction_end(committed=True)
    settings.set("statement_timeout", "6s", local=True)
    assert settings.show("statement_timeout") == "6s"
    settings.at_transaction_end(committed=True)
    assert settings.show("statement_timeout") == "5s"
    settings.reset("statement_timeout")
    assert settings.show("statement_timeout") == "0"


def test_set_after_set_local_outlives_the_transaction() -> None:
    settings = SessionSettings(Config())
    settings.set("lock_timeout", "1s", local=True)
    settings.set("lock_timeout", "2s")
    settings.at_transaction_end(committed=True)
    assert settings.show("lock_timeout") == "2s"


def test_a_followed_setting_is_reported_when_it_changes() -> None:
    settings = SessionSettings(Config())
    heard: list[tuple[str, str]] = []
    settings.on_report = lambda name, value: heard.append((name, value))
    settings.set("application_name", "me")
    settings.set("application_name", "me")
    settings.set("lock_timeout", "1s")
    settings.at_transaction_end(committed=False)
    assert heard == [("application_name", "me"), ("application_name", "")]


def test_a_server_setting_cannot_be_set_in_a_session() -> None:
    settings = SessionSettings(Config())
    with pytest.raises(SqlError, match="cannot be changed without restarting the server"):
        settings.set("shared_buffers", "1MB")
    with pytest.raises(SqlError, match="cannot be changed now"):
        settings.set("fsync", "off")
    with pytest.raises(SqlError, match='unrecognized configuration parameter "x"'):
        settings.set("x", "1")


def test_serializable_is_refused_where_it_is_asked_for() -> None:
    settings = SessionSettings(Config())
    with pytest.raises(SqlError, match="isolation level SERIALIZABLE is not supported yet"):
        settings.set("default_transaction_isolation", "serializable")
    assert settings.show("default_transaction_isolation") == "read committed"
