"""What can be run and broken: a common interface, and one module per target."""
