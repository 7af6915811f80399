"""Startup, redo, checkpoints and the control file."""
