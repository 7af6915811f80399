"""The catalogs: MVCC heap tables that describe the tables, under PostgreSQL's names and OIDs."""
