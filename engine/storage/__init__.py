"""Pages, relation files, the buffer pool."""
