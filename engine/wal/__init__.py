"""The write-ahead log: records, pages, segments, reading and writing."""
