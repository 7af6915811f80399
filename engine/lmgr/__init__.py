"""Heavyweight locks: what transactions hold on relations, rows and each other until they end."""
