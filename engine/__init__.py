"""A multi-process relational database engine: PostgreSQL 15's processes, protocol and files."""
