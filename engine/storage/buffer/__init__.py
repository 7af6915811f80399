"""The shared buffer pool: pages in shared memory, found, pinned, locked and written out."""
