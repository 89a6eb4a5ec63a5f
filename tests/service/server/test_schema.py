from __future__ import annotations

from pathlib import Path

from sqlalchemy import MetaData

from roadstead.server import tables
from roadstead.store import metadata, migrations, open_store
from roadstead.store.migrations.fingerprint import fingerprint, of_revision


def declared() -> MetaData:
    """The program's tables, without the one that the store's own tests add to the same metadata in the same process."""
    chosen = MetaData(naming_convention=metadata.naming_convention)
    for name, table in tables.TABLES.items():
        if not name.startswith("test_"):
            table.to_metadata(chosen)
    return chosen


async def test_migrations_make_exactly_the_tables_that_are_declared(store_url: str):
    assert declared().tables
    async with await open_store(store_url) as store:
        await store.migrate()
        assert await store.schema_drift(declared()) == []


async def test_migrating_twice_changes_nothing(store_url: str):
    async with await open_store(store_url) as store:
        await store.migrate()
        await store.migrate()
        assert await store.schema_drift(declared()) == []


def test_the_revision_carries_the_fingerprint_of_the_declared_tables():
    assert of_revision(migrations.newest_revision()) == fingerprint(declared())


def test_there_is_one_revision_until_the_first_release():
    revisions = Path(migrations.__file__).parent / "versions"
    assert [path.name for path in revisions.glob("[0-9]*.py")] == ["0001_initial.py"]
