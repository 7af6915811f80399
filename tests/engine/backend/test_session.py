"""The message loop of one session, seen from the wire."""

from __future__ import annotations

import time

import pytest

from engine.backend.abc import Role
from engine.errors import FatalError
from engine.host.api import Signal
from engine.protocol import backend, frontend, startup
from engine.protocol.framing import frame
from engine.shmem.procs import SessionState
from tests.engine.backend.conftest import Backends, error_of, rows_of, tag_of

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


# interrupts -------------------------------------------------------------------------------------


def wait_until_active(backends: Backends, slot: int = 9) -> None:
    for _ in range(2000):
        if backends.procs.state[slot] == SessionState.ACTIVE:
            return
        time.sleep(0.005)
    raise AssertionError("the statement does not run")


def test_a_cancel_request_with_the_right_key_ends_the_statement(backends: Backends) -> None:
    client = backends.connect()
    (key_data,) = [message for message in client.start() if message.kind == "K"]
    pid, key = (int.from_bytes(key_data.body[i : i + 4], "big") for i in (0, 4))
    client.send(frontend.build_query("select pg_sleep(60)"))
    wait_until_active(backends)
    wrong = backends.connect()
    wrong.send(startup.build_cancel_request(pid, key ^ 1))
    assert wrong.at_end()
    assert f"wrong key in cancel request for process {pid}" in backends.log()
    stranger = backends.connect()
    stranger.send(startup.build_cancel_request(2, key))
    assert stranger.at_end()
    assert "PID 2 in cancel request did not match any process" in backends.log()
    right = backends.connect()
    right.send(startup.build_cancel_request(pid, key))
    assert right.at_end()
    error = error_of(client.answer())
    assert (error["C"], error["M"]) == ("57014", "canceling statement due to user request")
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_a_cancel_of_an_idle_session_does_nothing(backends: Backends) -> None:
    client = backends.session()
    backends.host.signal(backends.pids[0], Signal.INT)
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_termination_tells_an_idle_client_and_a_busy_one(backends: Backends) -> None:
    idle, busy = backends.session(), backends.session()
    busy.send(frontend.build_query("begin; select pg_sleep(60)"))
    wait_until_active(backends, 10)
    for number, client in enumerate((idle, busy)):
        backends.host.signal(backends.pids[number], Signal.TERM)
        messages = client.answer()
        error = error_of(messages)
        assert (error["S"], error["C"]) == ("FATAL", "57P01")
        assert error["M"] == "terminating connection due to administrator command"
        assert backends.wait_for_end(number) == 1
    assert "abort" in backends.said()


def test_quit_says_its_last_words_and_nothing_else(backends: Backends) -> None:
    client = backends.session()
    client.query("begin")
    backends.host.signal(backends.pids[0], Signal.QUIT)
    (message,) = client.answer()
    fields = backend.parse_error_fields(message.body)
    assert (message.kind, fields["S"], fields["C"]) == ("N", "WARNING", "57P02")
    assert backends.wait_for_end() == 2
    assert backends.said() == []


def test_statement_timeout_ends_only_the_statement(backends: Backends) -> None:
    client = backends.session(statement_timeout=50)
    error = error_of(client.query("select pg_sleep(60)"))
    assert (error["C"], error["M"]) == ("57014", "canceling statement due to statement timeout")
    assert tag_of(client.query("select 1")) == "SELECT 1"


@pytest.mark.parametrize(
    ("setting", "before", "sqlstate"),
    [
        ("idle_in_transaction_session_timeout", "begin", "25P03"),
        ("idle_session_timeout", "select 1", "57P05"),
    ],
)
def test_a_silent_client_is_cut_off(
    backends: Backends, setting: str, before: str, sqlstate: str
) -> None:
    client = backends.session(**{setting: 100})
    client.query(before)
    error = error_of(client.answer())
    assert (error["S"], error["C"]) == ("FATAL", sqlstate)
    assert client.at_end()


# bad clients ------------------------------------------------------------------------------------


def test_a_client_that_vanishes_in_a_transaction_has_it_aborted(backends: Backends) -> None:
    client = backends.session()
    client.query("begin")
    client.socket.close()
    assert backends.wait_for_end() == 0
    assert backends.said() == ["abort"]
    assert "unexpected EOF on client connection with an open transaction" in backends.log()


def test_a_client_that_vanishes_in_mid_message_ends_the_session(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_query("select 1")[:7])
    client.socket.close()
    assert backends.wait_for_end() == 0


def test_terminate_ends_the_session_without_a_word(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.TERMINATE)
    assert client.at_end()
    assert backends.wait_for_end() == 0
    assert backends.log() == ""


def test_an_unknown_message_type_is_fatal(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.ask(b"z" + b"\0" * 10))
    assert (error["S"], error["C"]) == ("FATAL", "08P01")
    assert error["M"] == "invalid frontend message type 122"
    assert client.at_end()
    assert backends.wait_for_end() == 1


def test_an_oversized_message_closes_the_connection(backends: Backends) -> None:
    client = backends.session()
    client.send(b"S\x7f\xff\xff\xff")
    assert client.at_end()
    assert backends.wait_for_end() == 0
    assert "invalid message length" in backends.log()


def test_a_malformed_body_is_an_error_and_the_session_goes_on(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.ask(frame(b"B", b"\0\0"), SYNC))
    assert error["C"] == "08P01"
    assert error_of(client.ask(frame(b"Q", b"select '\xff'\0")))["C"] == "22021"
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_the_function_call_message_is_refused_by_name(backends: Backends) -> None:
    client = backends.session()
    error = error_of(client.ask(frame(b"F", b"\0\0\0\0\0\0\0\0\0\0")))
    assert (error["C"], error["M"]) == (
        "0A000",
        "the function call protocol is not supported yet",
    )


def test_left_over_copy_messages_are_ignored(backends: Backends) -> None:
    client = backends.session()
    client.send(frame(b"d", b"data"), frontend.COPY_DONE, frame(b"f", b"no\0"))
    assert tag_of(client.query("select 1")) == "SELECT 1"


def test_a_large_result_reaches_a_client_that_reads_late(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_query("select * from generate_series(1, 200000)"))
    time.sleep(0.2)
    answer = client.answer()
    rows = rows_of(answer)
    assert len(rows) == 200_000
    assert tag_of(answer) == "SELECT 200000"
    assert rows[-1] == [b"200000"]


def test_a_session_that_ends_while_its_client_does_not_read_still_ends(backends: Backends) -> None:
    client = backends.session()
    client.send(frontend.build_query("select * from generate_series(1, 200000)"))
    time.sleep(0.3)
    backends.host.signal(backends.pids[0], Signal.TERM)
    assert backends.wait_for_end() == 1


# dead-end children ------------------------------------------------------------------------------

STARTING_UP = FatalError("57P03", "the database system is starting up")


def test_a_refused_client_is_told_why_once_it_has_said_what_it_wants(backends: Backends) -> None:
    client = backends.refused(STARTING_UP)
    client.send(startup.build_ssl_request())
    assert client.socket.recv(1) == b"N"
    error = error_of(client.start())
    assert (error["S"], error["C"], error["M"]) == (
        "FATAL",
        "57P03",
        "the database system is starting up",
    )
    assert client.at_end()
    assert "FATAL:  the database system is starting up" in backends.log()


def test_a_refused_client_that_leaves_without_a_word_is_not_logged(backends: Backends) -> None:
    client = backends.refused(STARTING_UP)
    client.socket.close()
    assert backends.wait_for_end() == 0
    assert backends.log() == ""


def test_a_cancel_request_is_served_even_when_nobody_else_may_come_in(backends: Backends) -> None:
    client = backends.connect()
    (key_data,) = [message for message in client.start() if message.kind == "K"]
    pid, key = (int.from_bytes(key_data.body[i : i + 4], "big") for i in (0, 4))
    client.send(frontend.build_query("select pg_sleep(60)"))
    wait_until_active(backends)
    other = backends.refused(FatalError("53300", "sorry, too many clients already"))
    other.send(startup.build_cancel_request(pid, key))
    assert other.at_end()
    assert error_of(client.answer())["C"] == "57014"


# who may come in --------------------------------------------------------------------------------


def test_encryption_is_declined_and_the_client_may_go_on(backends: Backends) -> None:
    client = backends.connect()
    client.send(startup.build_ssl_request())
    assert client.socket.recv(1) == b"N"
    client.send(startup.build_gssenc_request())
    assert client.socket.recv(1) == b"N"
    assert client.start()[-1].kind == "Z"


def test_a_newer_protocol_and_unknown_options_are_negotiated_down(backends: Backends) -> None:
    client = backends.connect()
    options = {"user": "postgres", "_pq_.zip": "1"}
    messages = client.ask(startup.build_startup_message(options, (3 << 16) + 2))
    assert messages[0].kind == "v"
    assert messages[0].body == b"\0\3\0\0\0\0\0\1_pq_.zip\0"
    assert messages[-1].kind == "Z"


@pytest.mark.parametrize(
    ("options", "sqlstate", "message"),
    [
        ({"user": "nobody"}, "28000", 'role "nobody" does not exist'),
        ({"database": "nothing"}, "3D000", 'database "nothing" does not exist'),
        ({"user": ""}, "28000", "no PostgreSQL user name specified in startup packet"),
        ({"spam": "1"}, "42704", 'unrecognized configuration parameter "spam"'),
        ({"options": "-x"}, "42601", "invalid command-line argument for server process: -x"),
        ({"replication": "true"}, "0A000", "a replication connection is not supported yet"),
    ],
)
def test_a_request_that_cannot_be_met_is_fatal(
    backends: Backends, options: dict[str, str], sqlstate: str, message: str
) -> None:
    backends.write_hba(HBA_WITH_REPLICATION)
    client = backends.connect()
    error = error_of(client.start(**options))
    assert (error["S"], error["C"], error["M"]) == ("FATAL", sqlstate, message)
    assert client.at_end()
    assert backends.wait_for_end() == 1


HBA_WITH_REPLICATION = "local all,replication all trust\n"


def test_settings_come_with_the_startup_packet(backends: Backends) -> None:
    client = backends.connect()
    messages = client.start(options="-c application_name=from\\ options -c statement_timeout=40")
    assert b"application_name\0from options\0" in [message.body for message in messages]
    assert error_of(client.query("select pg_sleep(60)"))["C"] == "57014"


def test_garbage_instead_of_a_startup_packet_is_not_answered(backends: Backends) -> None:
    client = backends.connect()
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.at_end()
    assert "invalid length of startup packet" in backends.log()


def test_a_client_that_says_nothing_is_cut_off(backends: Backends) -> None:
    client = backends.connect(authentication_timeout=1)
    assert client.at_end()
    assert backends.wait_for_end() == 0


def test_no_rule_for_the_host_is_said_with_all_that_did_not_fit(backends: Backends) -> None:
    backends.write_hba("host all all 10.0.0.0/8 trust\nhost all all 127.0.0.2/32 reject\n")
    error = error_of(backends.connect().start())
    assert (error["C"], error["M"]) == (
        "28000",
        (
            'no pg_hba.conf entry for host "[local]", user "postgres", database "postgres", '
            "no encryption"
        ),
    )
    error = error_of(backends.connect("127.0.0.2").start())
    assert error["M"] == (
        'pg_hba.conf rejects connection for host "127.0.0.2", user "postgres", '
        'database "postgres", no encryption'
    )


def test_a_wrong_rule_file_lets_nobody_in(backends: Backends) -> None:
    backends.write_hba("local all all nonsense\n")
    error = error_of(backends.connect().start())
    assert (error["C"], error["M"]) == ("F0000", "could not load pg_hba.conf")


def test_a_role_may_be_forbidden_to_log_in(backends: Backends) -> None:
    backends.roles["group"] = Role(11, "group", can_login=False)
    error = error_of(backends.connect().start(user="group"))
    assert (error["C"], error["M"]) == ("28000", 'role "group" is not permitted to log in')
