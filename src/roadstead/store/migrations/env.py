"""What alembic runs for each command: it works on the connection that it was handed, in that one's transaction."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.types import TypeDecorator


def _render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write the database's type of a column: revisions must not change their meaning when our column types do."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


def _run() -> None:
    connection = context.config.attributes["connection"]
    metadata = context.config.attributes["metadata"]
    if not isinstance(connection, Connection) or not isinstance(metadata, MetaData | None):
        raise TypeError("migrations need a connection from roadstead.store")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=True,
        render_item=_render_item,
        transactional_ddl=False,  # the store begins and commits
    )
    context.run_migrations()


_run()
