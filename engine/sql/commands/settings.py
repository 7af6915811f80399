"""SET, RESET, SHOW."""

from __future__ import annotations

from typing import Final

from engine.errors import Notice, SqlError, SqlState, not_supported
from engine.sql import type_table as t
from engine.sql.commands.result import CommandResult
from engine.sql.commands.transaction import isolation_level, set_transaction
from engine.sql.parser import Node, RawStatement
from engine.sql.services import Services

_TRUE: Final = ("on", "true", "yes", "1")


def run_set(statement: RawStatement, services: Services) -> CommandResult:
    """SET and RESET in all their forms."""
    body = statement.body
    kind = body.get("kind", "VAR_SET_VALUE")
    if kind == "VAR_SET_MULTI":
        return set_transaction(statement, services)
    if kind == "VAR_RESET_ALL":
        services.settings.reset_all()
        return CommandResult("RESET")
    name = body["name"]
    if kind == "VAR_RESET":
        services.settings.reset(name)
        return CommandResult("RESET")
    if kind == "VAR_SET_CURRENT":
        raise not_supported("SET ... FROM CURRENT")
    is_local = bool(body.get("is_local"))
    if is_local and not services.transactions.in_block():
        services.notices(
            Notice(
                "WARNING",
                SqlState.NO_ACTIVE_SQL_TRANSACTION,
                "SET LOCAL can only be used in transaction blocks",
            )
        )
    if kind == "VAR_SET_DEFAULT":
        services.settings.reset(name)
        return CommandResult("SET")
    _assign(services, name, _value(body.get("args", [])), is_local)
    return CommandResult("SET")


def _assign(services: Services, name: str, text: str, is_local: bool) -> None:
    lowered = name.lower()
    if lowered == "transaction_isolation":
        services.transactions.set_isolation(isolation_level(text.lower()))
    elif lowered == "transaction_read_only":
        services.transactions.set_read_only(text.lower() in _TRUE)
    else:
        services.settings.set(name, text, local=is_local)


def _value(nodes: list[Node]) -> str:
    """The value of a SET as one text, several as a list (`flatten_set_variable_args`)."""
    return ", ".join(_part(node) for node in nodes)


def _part(node: Node) -> str:
    constant = node.get("A_Const")
    if constant is None:
        raise not_supported("this form of value in SET")
    if "ival" in constant:
        return str(constant["ival"].get("ival", 0))
    if "fval" in constant:
        return str(constant["fval"]["fval"])
    if "boolval" in constant:
        return "on" if constant["boolval"].get("boolval") else "off"
    if "sval" in constant:
        return str(constant["sval"].get("sval", ""))
    raise not_supported("this form of value in SET")


def show_columns(statement: RawStatement, services: Services) -> tuple[tuple[str, int], ...]:
    """SHOW x has one column named as the setting, SHOW ALL has three."""
    name = statement.body["name"]
    if name == "all":
        return (("name", t.TEXT), ("setting", t.TEXT), ("description", t.TEXT))
    return ((_canonical_name(services, name), t.TEXT),)


def _canonical_name(services: Services, name: str) -> str:
    return services.settings.setting(name).name


def run_show(statement: RawStatement, services: Services) -> CommandResult:
    """SHOW."""
    name = statement.body["name"]
    if name == "all":
        rows = [
            (setting.name, text, setting.description) for setting, text in services.settings.all()
        ]
        return CommandResult("SHOW", rows)
    return CommandResult("SHOW", [(current_value(services, name),)])


def current_value(services: Services, name: str) -> str:
    """A setting as SHOW prints it; those of the transaction come from the transaction."""
    lowered = name.lower()
    if lowered == "transaction_isolation":
        return services.transactions.isolation
    if lowered == "transaction_read_only":
        return "on" if services.transactions.read_only else "off"
    return services.settings.show(name)


def unknown_setting(name: str) -> SqlError:
    """42704."""
    return SqlError(SqlState.UNDEFINED_OBJECT, f'unrecognized configuration parameter "{name}"')
