"""The built-in functions, operators, casts and aggregates, as data (README.md)."""
