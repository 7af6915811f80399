"""What a correct database, and a correct disk, would do: plain Python, nothing of the engine."""
