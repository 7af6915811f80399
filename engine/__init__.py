"""A multi-process relational database engine with PostgreSQL 15's process architecture and file formats."""
