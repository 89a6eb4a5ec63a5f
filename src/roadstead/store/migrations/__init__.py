"""Schema revisions, applied by alembic at start: no configuration file, nothing for an operator to run.

After a change of tables, `python -m roadstead.store.migrations revision "what and why"` writes the next revision.
Alembic is imported when there is something to apply: a database that is up to date costs one query.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, column, select, table

from roadstead.store.errors import DatabaseTooNew

if TYPE_CHECKING:
    from alembic.config import Config

_VERSIONS = table("alembic_version", column("version_num"))


def newest_revision() -> str:
    """The last revision of this program: revisions are numbered, and their files named after them."""
    return max(path.name.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*_*.py"))


def is_current(connection: Connection) -> bool:
    """Whether the database is at the newest revision."""
    if not connection.dialect.has_table(connection, _VERSIONS.name):
        return False
    return connection.execute(select(_VERSIONS.c.version_num)).scalars().all() == [newest_revision()]


def configuration(connection: Connection, metadata: MetaData | None = None) -> Config:
    """Alembic's settings for a connection; with `metadata`, for writing revisions too."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config


def upgrade(connection: Connection) -> None:
    """Apply the revisions that the database lacks, in the caller's transaction; raises DatabaseTooNew."""
    if is_current(connection):
        return
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise DatabaseTooNew(
            f"the database is at revision {', '.join(sorted(unknown))}, which this version of Roadstead does not know: "
            "start the version that wrote it, or a newer one"
        )
    command.upgrade(config, "head")


def drift(connection: Connection, metadata: MetaData) -> list[str]:
    """The differences between the database's tables and `metadata`'s, one line each."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return [str(difference) for difference in compare_metadata(context, metadata)]
