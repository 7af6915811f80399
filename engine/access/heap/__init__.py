"""Heap tables: tuple versions on pages."""
