from tests.support.server import admin, postgres_backed_server, server, sqlite_admin, sqlite_server
from tests.support.store import store_url

__all__ = ["admin", "postgres_backed_server", "server", "sqlite_admin", "sqlite_server", "store_url"]
