"""The disk: what a program wrote, and what a power loss may leave of it."""
