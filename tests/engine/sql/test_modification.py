"""INSERT, UPDATE, DELETE, and what they do about concurrent changes."""

from __future__ import annotations

import threading

import pytest

from engine.errors import SqlError
from engine.types import Tid
from tests.engine.sql.memory_session import MemorySession
from tests.server import Server


def test_an_update_does_not_meet_its_own_rows(accounts: MemorySession) -> None:
    assert accounts.run("update accounts set id = id + 1").tag == "UPDATE 10"
    assert accounts.value("select sum(id) from accounts") == 65


def test_an_insert_from_its_own_table_ends(accounts: MemorySession) -> None:
    assert accounts.run("insert into accounts select * from accounts").tag == "INSERT 0 10"


def test_a_null_in_a_not_null_column_shows_the_row(accounts: MemorySession) -> None:
    error = accounts.error("insert into accounts (balance, name) values (5, 'x')")
    assert error.sqlstate == "23502"
    assert error.detail == "Failing row contains (null, 5, x)."
    assert (error.table, error.column) == ("accounts", "id")


def test_an_updated_row_is_looked_at_again(accounts: MemorySession) -> None:
    accounts.table.concurrent = [(Tid(0, 3), [3, 500, "theirs"])]
    accounts.run("update accounts set balance = balance + 1 where id = 3")
    assert accounts.rows("select balance, name from accounts where id = 3") == [(501, "theirs")]


def test_an_updated_row_that_no_longer_qualifies_is_left_alone(accounts: MemorySession) -> None:
    accounts.table.concurrent = [(Tid(0, 3), [3, 0, "theirs"])]
    result = accounts.run("update accounts set balance = balance - 50 where id = 3 and balance > 0")
    assert result.tag == "UPDATE 0"
    assert accounts.rows("select balance from accounts where id = 3") == [(0,)]


def test_a_deleted_row_is_not_updated(accounts: MemorySession) -> None:
    accounts.table.concurrent = [(Tid(0, 3), None)]
    assert accounts.run("update accounts set balance = 1 where id = 3").tag == "UPDATE 0"


def test_a_delete_follows_an_update(accounts: MemorySession) -> None:
    accounts.table.concurrent = [(Tid(0, 3), [3, 500, "theirs"])]
    assert accounts.run("delete from accounts where id = 3 returning name").rows == [("theirs",)]


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ([3, 500, "x"], "could not serialize access due to concurrent update"),
        (None, "could not serialize access due to concurrent delete"),
    ],
)
def test_repeatable_read_refuses_concurrent_changes(
    accounts: MemorySession, theirs: list[object] | None, message: str
) -> None:
    accounts.run("begin isolation level repeatable read")
    accounts.table.concurrent = [(Tid(0, 3), theirs)]
    error = accounts.error("update accounts set balance = 1 where id = 3")
    assert (error.sqlstate, error.message) == ("40001", message)


def test_a_read_only_transaction_changes_nothing(accounts: MemorySession) -> None:
    accounts.run("begin read only")
    error = accounts.error("delete from accounts")
    assert error.message == "cannot execute DELETE in a read-only transaction"


def test_waiting_updaters_add_up(server: Server) -> None:
    """Two sessions raise the same balance: the second waits and then sees the first's."""
    one, two = server.connect(), server.connect()
    one.execute("create table a (id int, balance bigint)")
    one.execute("insert into a values (1, 100)")
    one.execute("begin")
    one.execute("update a set balance = balance + 10 where id = 1")
    waiter = threading.Thread(
        target=two.execute, args=("update a set balance = balance + 5 where balance >= 100",)
    )
    waiter.start()
    one.execute("commit")
    waiter.join(30)
    assert one.execute("select balance from a").fetchall() == [(115,)]


def test_waiting_updaters_conflict_under_repeatable_read(server: Server) -> None:
    one, two = server.connect(), server.connect()
    one.execute("create table a (id int, balance bigint)")
    one.execute("insert into a values (1, 100)")
    two.execute("begin isolation level repeatable read")
    two.execute("select * from a")
    one.execute("update a set balance = 0")
    with pytest.raises(Exception, match="could not serialize access") as caught:
        two.execute("update a set balance = balance + 5")
    assert getattr(caught.value, "sqlstate", "") == "40001"


def test_errors_of_a_batch_undo_the_whole_insert(accounts: MemorySession) -> None:
    with pytest.raises(SqlError):
        accounts.run("insert into accounts values (11, 1, 'x'), (null, 2, 'y')")
    assert accounts.value("select count(*) from accounts") == 10
