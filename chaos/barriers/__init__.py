"""What each barrier of the engine is for: it is left out, and something must break."""
