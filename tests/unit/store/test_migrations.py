from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, inspect, text

from roadstead.store import DatabaseDiffers, DatabaseTooNew, metadata, migrations, open_store
from roadstead.store.migrations.fingerprint import fingerprint


async def test_an_empty_database_gets_the_tables_and_a_second_time_nothing_happens(store_url: str):
    async with await open_store(store_url) as store:
        await store.migrate()
        await store.migrate()
        tables = set(await store.change_schema(lambda connection: inspect(connection).get_table_names()))
        assert {"outbox", "leases", "alembic_version"} <= tables
        async with store.snapshot() as tx:
            assert len(await tx.signing_key("pagination")) == 32


async def test_the_revisions_make_the_stores_own_tables_as_the_code_has_them(store_url: str):
    async with await open_store(store_url) as store:
        await store.migrate()
        about_us = [line for line in await store.schema_drift(metadata) if "test_things" not in line]
    assert [
        line for line in about_us if "outbox" in line or "leases" in line or "idempotency" in line or "signing" in line
    ] == []


async def test_several_servers_at_once(store_url: str):
    stores = [await open_store(store_url) for _ in range(4)]
    await asyncio.gather(*(store.migrate() for store in stores))
    keys: list[bytes] = []
    for store in stores:
        async with store.snapshot() as tx:
            keys.append(await tx.signing_key("pagination"))
        await store.close()
    assert len(set(keys)) == 1


async def test_a_newer_database_is_refused(store_url: str):
    async with await open_store(store_url) as store:
        await store.migrate()
        async with store.transaction() as tx:
            await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseTooNew, match="9999"):
            await store.migrate()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE schema_fingerprints SET fingerprint = '0123456789abcdef'",
        "UPDATE schema_fingerprints SET revision = '0000'",
        "DELETE FROM schema_fingerprints",
        "DROP TABLE schema_fingerprints",
    ],
)
async def test_a_database_with_other_tables_under_the_same_number_is_refused_and_left_alone(
    store_url: str, change: str
):
    async with await open_store(store_url) as store:
        await store.migrate()
        await store.change_schema(lambda connection: connection.execute(text(change)) and None)
        before = await store.change_schema(lambda connection: inspect(connection).get_table_names())
        with pytest.raises(DatabaseDiffers, match="development version of Roadstead, whose tables differ"):
            await store.migrate()
        assert await store.change_schema(lambda connection: inspect(connection).get_table_names()) == before


async def test_a_database_that_goes_on_to_a_later_revision_must_have_the_tables_of_its_own(
    store_url: str, monkeypatch: pytest.MonkeyPatch
):
    async with await open_store(store_url) as store:
        await store.migrate()
        async with store.transaction() as tx:
            await tx.execute(text("UPDATE schema_fingerprints SET fingerprint = 'other'"))
        monkeypatch.setattr(migrations, "newest_revision", lambda: "9999")
        with pytest.raises(DatabaseDiffers):
            await store.migrate()


def test_a_fingerprint_is_that_of_the_tables():
    def tables(*columns: Column[Any], last: bool = False) -> MetaData:
        made = MetaData()
        if not last:
            Table("a", made, Column("id", Integer, primary_key=True))
        Table("b", made, Column("id", Integer, primary_key=True), *columns)
        if last:
            Table("a", made, Column("id", Integer, primary_key=True))
        return made

    base = fingerprint(tables(Column("name", String(8))))
    assert fingerprint(tables(Column("name", String(8)), last=True)) == base
    others = [
        tables(),
        tables(Column("name", String(9))),
        tables(Column("name", String(8), nullable=False)),
        tables(Column("name", String(8), index=True)),
        tables(Column("name", String(8), unique=True)),
    ]
    assert len({base, *(fingerprint(each) for each in others)}) == 6


async def test_a_migration_that_fails_leaves_nothing(store_url: str):
    def fail_halfway(connection: Connection) -> None:
        command.upgrade(migrations.configuration(connection), "head")
        raise ZeroDivisionError

    async with await open_store(store_url) as store:
        with pytest.raises(ZeroDivisionError):
            await store.change_schema(fail_halfway)
        assert await store.change_schema(lambda connection: inspect(connection).get_table_names()) == []
        await store.migrate()


def test_the_newest_revision_is_alembics_head():
    head = ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head()
    assert migrations.newest_revision() == head
