"""Statements that are commands rather than queries (README.md)."""
