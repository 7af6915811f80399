"""One checker per property; each is a fold over a history and is shown failing by a test."""
