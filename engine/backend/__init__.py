"""One session: from the first byte of a connection to its last."""
