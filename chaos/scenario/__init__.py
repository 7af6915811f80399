"""Scenarios: runs that a person writes down, step by step, and that say what must come of them."""
