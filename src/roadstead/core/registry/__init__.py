"""What a registry keeps and what it may give back, as pure functions."""
