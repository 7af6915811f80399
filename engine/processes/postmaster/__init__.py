"""The postmaster: listens, forks, reaps, and restarts everything after a crash."""
