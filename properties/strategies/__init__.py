"""Hypothesis strategies: schemas, transactions, faults, settings."""
