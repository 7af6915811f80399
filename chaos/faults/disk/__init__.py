"""A disk that fails: what is drawn, what is done, what it licenses."""
