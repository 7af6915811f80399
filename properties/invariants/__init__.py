"""Physical invariants: what must hold of the files of a stopped cluster (README.md)."""

from __future__ import annotations

from properties.invariants.checking import check_directory
from properties.invariants.directory import CannotCheck
from properties.invariants.report import Problem, Report

__all__ = ["CannotCheck", "Problem", "Report", "check_directory"]
