"""What can be done to a server, and how it is done."""
