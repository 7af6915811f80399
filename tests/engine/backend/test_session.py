"""The message loop of one session, seen from the wire."""

from __future__ import annotations

from engine.protocol import backend, frontend
from tests.engine.backend.conftest import (
    Backends,
    error_of,
    rows_of,
    tag_of,
)

SYNC = frontend.SYNC


def test_a_session_opens_with_thirteen_settings_a_key_and_readiness(backends: Backends) -> None:
    client = backends.connect()
    messages = client.start(application_name="psql")
    assert "".join(message.kind for message in messages) == "R" + "S" * 13 + "KZ"
    statuses = dict(
        message.body[:-1].decode().split("\0") for message in messages if message.kind == "S"
    )
    assert statuses["server_version"].startswith("15.")
    assert statuses["application_name"] == "psql"
    assert statuses["client_encoding"] == "UTF8"
    assert statuses["integer_datetimes"] == "on"
    assert messages[-1].body == b"I"
    assert backends.procs.text(9, "application_name") == "psql"


def test_a_query_is_answered_in_one_piece(backends: Backends) -> None:
    client = backends.session()
    answer = client.query("select 1")
    assert [message.kind for message in answer] == ["T", "D", "C", "Z"]
    assert rows_of(answer) == [[b"1"]]
    assert tag_of(answer) == "SELECT 1"
    client.send(frontend.build_query("select 1"))
    assert len(client.socket.recv(65536)) == sum(5 + len(message.body) for message in answer)


def test_an_empty_query_has_an_answer_of_its_own(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_query(" ; "))
    assert client.kinds() == "IZI"
    client.send(frontend.build_parse("", ""), frontend.build_bind(), frontend.build_execute(), SYNC)
    assert client.kinds() == "12IZI"


def test_an_error_names_its_place_and_leaves_the_session_usable(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.query("select missing"))
    assert (error["C"], error["P"], error["S"]) == ("42703", "8", "ERROR")
    assert tag_of(client.query("select 1")) == "SELECT 1"
    assert "STATEMENT:  select missing" in backends.log()


def test_several_statements_of_one_query_are_one_transaction(backends: Backends) -> None:
    client = backends.session()
    answer = client.query("insert into t values (1); insert into t values (2); select 1")
    assert "".join(message.kind for message in answer) == "CCTDCZ"
    assert backends.said() == ["insert", "insert", "commit"]
    client.query("insert into t values (1); select 1/0; insert into t values (2)")
    assert backends.said() == ["insert", "abort"]


def test_a_commit_inside_one_query_ends_the_transaction_there(backends: Backends) -> None:
    client = backends.session()
    answer = client.query("begin; insert into t values (1); commit; insert into t values (2)")
    assert answer[-1].body == b"I"
    assert backends.said() == ["insert", "commit", "insert", "commit"]


def test_ready_for_query_tells_the_state_of_the_transaction(backends: Backends) -> None:
    client = backends.session()
    states = [
        client.query(text)[-1].body
        for text in ("select 1", "begin", "select 1", "select 1/0", "select 1", "rollback")
    ]
    assert states == [b"I", b"T", b"T", b"E", b"E", b"I"]


def test_a_failed_transaction_only_accepts_its_end(backends: Backends) -> None:
    client = backends.session()
    client.query("begin")
    client.query("select 1/0")
    error = error_of(client.query("select 1"))
    assert error["C"] == "25P02"
    assert error["M"] == (
        "current transaction is aborted, commands ignored until end of transaction block"
    )
    assert error_of(client.ask(frontend.build_parse("s", "select 1"), SYNC))["C"] == "25P02"
    assert tag_of(client.query("commit")) == "ROLLBACK"


def test_warnings_come_with_the_answer(backends: Backends) -> None:
    client = backends.session()
    answer = client.query("commit")
    (notice,) = [message for message in answer if message.kind == "N"]
    assert backend.parse_error_fields(notice.body)["M"] == "there is no transaction in progress"
    client.query("set client_min_messages = 'error'")
    assert all(message.kind != "N" for message in client.query("commit"))


def test_a_changed_setting_is_reported_before_readiness(backends: Backends) -> None:
    client = backends.session()
    answer = client.query("set application_name = 'other'")
    assert [message.kind for message in answer] == ["C", "S", "Z"]
    assert answer[1].body == b"application_name\0other\0"
    assert backends.procs.text(9, "application_name") == "other"


def test_a_setting_of_an_aborted_transaction_goes_back(backends: Backends) -> None:
    client = backends.session()
    client.query("begin; set application_name = 'other'")
    answer = client.query("rollback")
    assert [message.kind for message in answer] == ["C", "S", "Z"]
    assert answer[1].body == b"application_name\0\0"


# the extended protocol --------------------------------------------------------------------------


def test_a_prepared_statement_is_executed_with_text_and_binary_values(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_parse("s", "select $1"), frontend.build_describe("S", "s"), SYNC)
    assert client.kinds() == "1tTZI"
    answer = client.ask(
        frontend.build_bind("", "s", [b"42"]),
        frontend.build_describe("P"),
        frontend.build_execute(),
        SYNC,
    )
    assert "".join(message.kind for message in answer) == "2TDCZ"
    assert rows_of(answer) == [[b"42"]]
    answer = client.ask(
        frontend.build_bind("", "s", [b"\0\0\0\7"], parameter_formats=[1], result_formats=[1]),
        frontend.build_execute(),
        SYNC,
    )
    assert rows_of(answer) == [[b"\0\0\0\7"]]


def test_a_null_parameter_comes_back_as_null(backends: Backends) -> None:
    client = backends.session()
    client.ask(frontend.build_parse("", "select $1"), SYNC)
    answer = client.ask(frontend.build_bind("", "", [None]), frontend.build_execute(), SYNC)
    assert rows_of(answer) == [[None]]


def test_a_row_limit_suspends_the_portal(backends: Backends) -> None:
    client = backends.session()
    client.send(
        frontend.build_query("begin"),
        frontend.build_parse("", "select * from generate_series(1, 5)"),
        frontend.build_bind("p"),
        frontend.build_execute("p", 2),
        frontend.build_execute("p", 2),
        frontend.build_execute("p", 2),
        SYNC,
    )
    assert client.kinds() == "CZT"
    assert client.kinds() == "12DDsDDsDCZT"


def test_returning_rows_do_not_depend_on_how_many_are_read(backends: Backends) -> None:
    client = backends.session()
    client.send(
        frontend.build_parse("", "insert into t values (1) returning a"),
        frontend.build_bind(),
        frontend.build_execute("", 1),
        frontend.build_execute("", 5),
        SYNC,
    )
    messages = client.answer()
    assert "".join(message.kind for message in messages) == "12DsDDCZ"
    assert tag_of(messages) == "INSERT 0 2"
    assert backends.said() == ["insert", "commit"]


def test_after_an_error_everything_up_to_sync_is_skipped(backends: Backends) -> None:
    client = backends.session()
    client.send(
        frontend.build_parse("a", "insert into t values (1)"),
        frontend.build_parse("b", "select missing"),
        frontend.build_bind("", "a"),
        frontend.build_execute(),
        SYNC,
        frontend.build_query("select 1"),
    )
    assert client.kinds() == "1EZI"
    assert client.kinds() == "TDCZI"
    assert backends.said() == ["abort", "commit"]


def test_a_pipeline_commits_at_sync(backends: Backends) -> None:
    client = backends.session()
    insert = [
        frontend.build_parse("", "insert into t values (1)"),
        frontend.build_bind(),
        frontend.build_execute(),
    ]
    client.send(*insert, *insert, SYNC)
    assert client.kinds() == "12C12CZI"
    assert backends.said() == ["insert", "insert", "commit"]


def test_flush_sends_what_there_is_without_readiness(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_parse("", "select 1"), frontend.FLUSH)
    message = client.next()
    assert message is not None
    assert message.kind == "1"


def test_an_error_is_sent_at_once_even_when_only_flush_follows(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_parse("", "select missing"), frontend.FLUSH)
    message = client.next()
    assert message is not None
    assert message.kind == "E"
    client.send(SYNC)
    assert client.kinds() == "ZI"


def test_named_statements_outlive_transactions_and_must_be_new(backends: Backends) -> None:
    client = backends.session()
    client.ask(frontend.build_parse("s", "select 1"), SYNC)
    assert error_of(client.ask(frontend.build_parse("s", "select 1"), SYNC))["C"] == "42P05"
    client.send(frontend.build_bind("", "s"), frontend.build_execute(), SYNC)
    assert client.kinds() == "2DCZI"
    client.send(frontend.build_close("S", "s"), frontend.build_close("S", "nothing"), SYNC)
    assert client.kinds() == "33ZI"
    error = error_of(client.ask(frontend.build_bind("", "s"), SYNC))
    assert (error["C"], error["M"]) == ("26000", 'prepared statement "s" does not exist')


def test_the_unnamed_statement_outlives_a_sync_but_not_a_query(backends: Backends) -> None:
    client = backends.session()
    client.ask(frontend.build_parse("", "select 1"), SYNC)
    client.send(frontend.build_bind(), frontend.build_execute(), SYNC)
    assert client.kinds() == "2DCZI"
    client.query("select 1")
    error = error_of(client.ask(frontend.build_bind(), SYNC))
    assert error["M"] == "unnamed prepared statement does not exist"


def test_portals_end_with_their_transaction(backends: Backends) -> None:
    client = backends.session()
    client.ask(
        frontend.build_parse("s", "select * from generate_series(1, 5)"),
        frontend.build_bind("p", "s"),
        frontend.build_execute("p", 1),
        SYNC,
    )
    error = error_of(client.ask(frontend.build_execute("p"), SYNC))
    assert (error["C"], error["M"]) == ("34000", 'portal "p" does not exist')


def test_the_wrong_number_of_parameters_is_refused(backends: Backends) -> None:
    client = backends.session()
    client.ask(frontend.build_parse("s", "select $1"), SYNC)
    error = error_of(client.ask(frontend.build_bind("", "s"), SYNC))
    assert error["C"] == "08P01"
    assert error["M"] == (
        'bind message supplies 0 parameters, but prepared statement "s" requires 1'
    )


def test_several_statements_cannot_be_prepared_as_one(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.ask(frontend.build_parse("", "select 1; select 2"), SYNC))
    assert error["M"] == "cannot insert multiple commands into a prepared statement"


# statements of the session ----------------------------------------------------------------------


def test_what_pools_send_when_a_connection_comes_back_is_understood(backends: Backends) -> None:
    client = backends.session()
    answer = client.query("CLOSE ALL;\nUNLISTEN *;\nDISCARD SEQUENCES")
    tags = [message.body for message in answer if message.kind == "C"]
    assert tags == [b"CLOSE CURSOR ALL\0", b"UNLISTEN\0", b"DISCARD SEQUENCES\0"]
    client.query("set application_name = 'x'")
    client.ask(frontend.build_parse("s", "select 1"), SYNC)
    assert tag_of(client.query("discard all")) == "DISCARD ALL"
    assert backends.procs.text(9, "application_name") == ""
    assert error_of(client.ask(frontend.build_bind("", "s"), SYNC))["C"] == "26000"


def test_deallocate_forgets_one_or_all(backends: Backends) -> None:
    client = backends.session()
    client.ask(frontend.build_parse("a", "select 1"), frontend.build_parse("b", "select 1"), SYNC)
    assert tag_of(client.query("deallocate a")) == "DEALLOCATE"
    assert error_of(client.query("deallocate a"))["C"] == "26000"
    assert tag_of(client.query("deallocate all")) == "DEALLOCATE ALL"
    assert error_of(client.query("deallocate b"))["C"] == "26000"


def test_a_cursor_is_read_in_portions(backends: Backends) -> None:
    client = backends.session()
    client.query("begin")
    declare = "declare c no scroll cursor for select * from generate_series(1, 5)"
    assert tag_of(client.query(declare)) == "DECLARE CURSOR"
    answer = client.query("fetch forward 2 from c")
    assert rows_of(answer) == [[b"1"], [b"2"]]
    assert tag_of(answer) == "FETCH 2"
    assert tag_of(client.query("move 1 in c")) == "MOVE 1"
    assert rows_of(client.query("fetch all from c")) == [[b"4"], [b"5"]]
    assert tag_of(client.query("fetch 1 from c")) == "FETCH 0"
    assert tag_of(client.query("close c")) == "CLOSE CURSOR"
    error = error_of(client.query("fetch 1 from c"))
    assert (error["C"], error["M"]) == ("34000", 'cursor "c" does not exist')


def test_a_cursor_needs_a_transaction(backends: Backends) -> None:
    client = backends.session()
    assert error_of(client.query("declare c cursor for select 1"))["C"] == "25P01"
