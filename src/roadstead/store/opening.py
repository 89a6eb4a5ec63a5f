"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from roadstead.kernel.clock import Clock, SystemClock
from roadstead.store.base import Store
from roadstead.store.sqlite.store import SqliteStore


async def open_store(url: str, *, clock: Clock | None = None) -> Store:
    """Open `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user:password@host/database`.

    A SQLite file is created where there is none (its directory must exist); the schema is `migrate`'s business. Raises ValueError
    for another kind of URL and StoreUnavailable when the database does not answer.
    """
    parsed = make_url(url)
    seam = clock or SystemClock()
    match parsed.get_backend_name():
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise ValueError("SQLite needs a file: an acknowledged write must survive")
            return SqliteStore(url, Path(parsed.database), seam)
        case "postgresql":
            from roadstead.store.postgres.store import PostgresStore  # brings a driver that SQLite does without

            store = PostgresStore(parsed, seam)
            try:
                await store.start()
            except BaseException:
                await store.close()
                raise
            return store
        case other:
            raise ValueError(f"{other} is no database that Roadstead runs on: use sqlite or postgresql")
