"""Every state that a crash may leave on the disk during one run, recovered and checked."""
