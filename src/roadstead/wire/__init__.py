"""Message types that the server and its agents share."""
