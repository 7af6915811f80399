"""What the clients do: operations as generators that yield SQL and are sent the answers."""
