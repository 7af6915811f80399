"""State machines for Hypothesis: programs and models meet a database, a disk."""
