"""The registry of planted bugs is whole, and each of them fits today's engine."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Callable

import pytest

from chaos.disk.profiles import PROFILES
from chaos.faults.catalogue import FAULTS
from chaos.workloads.catalogue import WORKLOADS
from properties.mutants import api
from properties.mutants.api import MutantDoesNotApply, UnknownMutant, replace
from properties.mutants.applying import apply
from properties.mutants.registry import (
    apply_to_harness,
    harness_mutants,
    module_of,
    mutant,
    mutants,
    names,
)
from properties.suites import default


def in_a_fork(call: Callable[[], None]) -> str:
    """What went wrong with the call, in a process of its own; nothing if nothing did."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            call()
            status = 0
        except BaseException:  # noqa: BLE001 - it is told to the parent
            os.write(writing, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    return said if status else ""


def test_each_mutant_says_what_it_breaks_and_where_that_has_happened() -> None:
    assert len(names()) >= 30
    for one in mutants():
        module = importlib.import_module(module_of(one.name))
        assert len((module.__doc__ or "").splitlines()) > 2, one.name
        assert one.breaks, one.name
        assert one.mirrors, one.name
        assert one.sees, one.name


def test_what_a_mutant_names_exists() -> None:
    checkers = {checker.name for checker in default()}
    for one in mutants():
        assert {pair.partition(":")[0] for pair in one.sees} <= checkers, one.name
        assert {*(one.faults or ())} <= {*FAULTS}, one.name
        assert one.profile in (None, *PROFILES), one.name
        assert one.workload in (None, *WORKLOADS), one.name


@pytest.mark.parametrize("name", names())
def test_mutant_applies_to_the_engine_of_today(name: str) -> None:
    """MUT-1, MUT-2: in a process of its own, as in a run."""
    assert in_a_fork(lambda: apply(name)) == ""


def test_a_mutant_that_fell_behind_says_so() -> None:
    """MUT-1."""
    with pytest.raises(MutantDoesNotApply, match="no_such_thing"):
        replace(api, "no_such_thing", lambda original: original)
    with pytest.raises(MutantDoesNotApply, match="'items' of its own"):
        replace(type("Mapping", (dict,), {}), "items", lambda original: original)


def test_replace_keeps_what_kind_of_attribute_it_is() -> None:
    class Owner:
        @staticmethod
        def static() -> int:
            return 1

        @classmethod
        def of_class(cls) -> int:
            return 1

        @property
        def size(self) -> int:
            return 1

    for name in ("static", "of_class", "size"):
        replace(Owner, name, lambda call: lambda *arguments: call(*arguments) + 1)
    assert (Owner.static(), Owner.of_class(), Owner().size) == (2, 2, 2)


def test_a_name_that_is_no_mutant_is_refused() -> None:
    for wrong in ("no-such-bug", "api", "../api"):
        with pytest.raises(UnknownMutant, match="there is no mutant"):
            mutant(wrong)
    with pytest.raises(UnknownMutant, match="of the harness"):
        apply_to_harness("no-such-bug")


def test_the_harness_has_mutants_of_its_own() -> None:
    assert len(harness_mutants()) >= 8
    for one in harness_mutants():
        assert one.noticed_by, one.name
