from tests.support.server import admin, postgres_backed_server, server, sqlite_admin, sqlite_server
from tests.support.store import postgres_server

__all__ = ["admin", "postgres_backed_server", "postgres_server", "server", "sqlite_admin", "sqlite_server"]
