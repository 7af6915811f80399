"""Planted bugs: small named patches of the running engine, by which the checkers are judged."""
