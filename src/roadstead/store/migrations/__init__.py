"""Schema revisions, applied by alembic at start: no configuration file, nothing for an operator to run.

After a change of tables, `python -m roadstead.store.migrations revision "what and why"` writes the next revision.
Alembic is imported when there is something to apply: a database that is up to date costs one query.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, column, select, table

from roadstead.store.errors import DatabaseDiffers, DatabaseTooNew
from roadstead.store.migrations.fingerprint import VERSIONS, of_revision, record, recorded

if TYPE_CHECKING:
    from alembic.config import Config

_VERSIONS = table("alembic_version", column("version_num"))


def newest_revision() -> str:
    """The last revision of this program, empty where there is none: revisions are numbered, and their files named after them."""
    return max((path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*_*.py")), default="")


def is_current(connection: Connection) -> bool:
    """Whether the database is at the newest revision, as this program knows it; raises DatabaseDiffers."""
    return _revisions(connection) == [newest_revision()] and _verified(connection, newest_revision())


def _revisions(connection: Connection) -> list[str]:
    if not connection.dialect.has_table(connection, _VERSIONS.name):
        return []
    return list(connection.execute(select(_VERSIONS.c.version_num)).scalars())


def _verified(connection: Connection, revision: str) -> bool:
    if recorded(connection) != (revision, of_revision(revision)):
        raise DatabaseDiffers(
            f"the database was made by a development version of Roadstead, whose tables differ from this version's (both call "
            f"them revision {revision}), and there is no way from one to the other: start the version that made it, or begin "
            "with an empty data directory or database"
        )
    return True


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
    """Apply the revisions that the database lacks, in the caller's transaction; raises DatabaseTooNew, DatabaseDiffers."""
    if is_current(connection):
        return
    from alembic import command
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = _revisions(connection)
    if unknown := set(found) - known:
        raise DatabaseTooNew(
            f"the database is at revision {', '.join(sorted(unknown))}, which this version of Roadstead does not know: "
            "start the version that wrote it, or a newer one"
        )
    for revision in found:
        _verified(connection, revision)
    command.upgrade(config, "head")
    if known:
        record(connection, newest_revision())


def drift(connection: Connection, metadata: MetaData) -> list[str]:
    """The differences between the database's tables and `metadata`'s, one line each."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return [str(difference) for difference in compare_metadata(context, metadata)]
