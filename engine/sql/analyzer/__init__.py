"""Names, types and rules: from a parse tree to a typed `Query` (README.md)."""
