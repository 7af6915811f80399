"""Whose turn it is: one schedule for all processes of a world, drawn from the seed."""
