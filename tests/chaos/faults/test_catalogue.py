"""The faults by name, and the groups of them."""

from __future__ import annotations

import pytest

from chaos.faults.catalogue import BY_NAME_ONLY, GROUPS, UnknownFault, parse_faults
from chaos.faults.disk.licence import LABELS, OUT_OF_CONTRACT


def test_what_no_database_is_bound_to_stand_is_in_no_group() -> None:
    assert {name for name, label in LABELS.items() if label == OUT_OF_CONTRACT} == set(BY_NAME_ONLY)
    for names in GROUPS.values():
        assert not set(names) & set(BY_NAME_ONLY)
    assert set(parse_faults("disk,wal-rot")) == {*parse_faults("disk"), "wal-rot"}


def test_a_name_that_is_no_fault_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownFault, match="power-loss"):
        parse_faults("thunder")
