"""How the controller itself waits, and what time it is."""
