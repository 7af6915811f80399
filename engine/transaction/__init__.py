"""Transactions: xids, snapshots, commit and abort, the commit log."""
