"""SQLite in the server's own process: one writer with group commit, snapshot readers (docs/decisions/0001-sqlite-inline.md)."""
