"""What the tables of a revision are, in a few characters.

A revision that is not released yet is edited: a number alone does not say which tables a database got from it. Each revision file
carries the fingerprint of the tables it leads to, and a database that of the revision it is at.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from roadstead.store.metadata import metadata as shared_metadata

VERSIONS = Path(__file__).parent / "versions"
_LINE = re.compile(r'^fingerprint = "(\w*)"$', re.MULTILINE)

schema_fingerprints = Table(
    "schema_fingerprints",
    shared_metadata,
    Column("revision", String(32), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
)
"""One row: the revision that the database is at."""


def fingerprint(metadata: MetaData) -> str:
    """Changes whenever a table, a column, a constraint or an index does; the order of declarations does not matter."""
    statements = [str(CreateTable(table)) for table in metadata.sorted_tables]
    statements += [str(CreateIndex(index)) for table in metadata.sorted_tables for index in table.indexes]
    return sha256("".join(sorted(statements)).encode()).hexdigest()[:16]


def of_revision(revision: str) -> str:
    """The fingerprint in a revision's file; empty where there is none."""
    for path in VERSIONS.glob(f"{revision}_*.py"):
        if (found := _LINE.search(path.read_text())) is not None:
            return found[1]
    return ""


def write_into(revision: Path, value: str) -> None:
    """Put a fingerprint into a revision's file, whose template has a line for it."""
    text, times = _LINE.subn(f'fingerprint = "{value}"', revision.read_text())
    if times != 1:
        raise ValueError(f"{revision} has no line for the fingerprint")
    revision.write_text(text)


def recorded(connection: Connection) -> tuple[str, str] | None:
    """Revision and fingerprint that the database says it has; None where it says nothing."""
    if not connection.dialect.has_table(connection, schema_fingerprints.name):
        return None
    found = connection.execute(select(schema_fingerprints)).first()
    return None if found is None else (found.revision, found.fingerprint)


def record(connection: Connection, revision: str) -> None:
    """Write down what the database is at now."""
    connection.execute(delete(schema_fingerprints))
    connection.execute(insert(schema_fingerprints).values(revision=revision, fingerprint=of_revision(revision)))
