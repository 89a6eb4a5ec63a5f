from tests.support.server import admin, postgres_backed_server, server, sqlite_admin, sqlite_server

__all__ = ["admin", "postgres_backed_server", "server", "sqlite_admin", "sqlite_server"]
