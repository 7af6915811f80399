"""Running plan trees, pulling rows (README.md)."""
