"""Suites of checkers, to be named as `properties.suites:default`."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.oracle import Checker
from properties.checkers.atomicity import Atomicity
from properties.checkers.bank_total import BankTotal
from properties.checkers.counters import CounterBounds
from properties.checkers.durability import Durability
from properties.checkers.errors import Errors
from properties.checkers.files import Files
from properties.checkers.isolation import Isolation
from properties.checkers.leftovers import Leftovers
from properties.checkers.list_prefix import ListPrefix
from properties.checkers.liveness import Liveness
from properties.checkers.lost_update import LostUpdate
from properties.checkers.no_holes import NoHoles
from properties.checkers.reaction import ReactionChecker
from properties.checkers.session_order import SessionOrder
from properties.checkers.sets import SetMembers
from properties.checkers.tables import TablesRead
from properties.checkers.well_formed import WellFormed


def default() -> Sequence[Checker]:
    """Everything that is known how to check; WellFormed first, since the others rely on it."""
    return (
        WellFormed(),
        Errors(),
        Durability(),
        Atomicity(),
        NoHoles(),
        LostUpdate(),
        BankTotal(),
        ListPrefix(),
        SetMembers(),
        CounterBounds(),
        TablesRead(),
        SessionOrder(),
        Isolation(),
        ReactionChecker(),
        Liveness(),
        Leftovers(),
        Files(),
    )


def bare() -> Sequence[Checker]:
    """What every run needs, whatever else judges it: a whole history, a database that answers."""
    return (WellFormed(), Liveness())
