"""Measurements beside a real PostgreSQL, run by hand."""
