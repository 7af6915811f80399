"""Planted bugs of the harness itself: each must be noticed by `chaos selftest`."""
