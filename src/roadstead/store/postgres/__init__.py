"""PostgreSQL through asyncpg, for several servers (docs/decisions/0002-postgresql-isolation.md)."""
