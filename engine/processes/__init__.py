"""The processes: the postmaster and the mains of its children."""
