"""Every table of the server, for alembic: importing the services puts them on the one `metadata`."""

from __future__ import annotations

from roadstead.server import operations
from roadstead.store import metadata

TABLES = metadata.tables
DECLARED_BY = operations.SERVICES
