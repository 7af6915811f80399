"""Shared memory: its layout, light-weight locks, process slots, interrupts."""
