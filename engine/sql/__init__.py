"""SQL: from a statement's text to rows and a command tag (README.md has the map)."""
