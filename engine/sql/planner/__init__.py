"""From a `Query` to a tree of plan nodes (README.md)."""
