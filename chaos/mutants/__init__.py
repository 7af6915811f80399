"""Planted bugs: runs with one, hunts for one, and the matrix of bugs and checkers."""
