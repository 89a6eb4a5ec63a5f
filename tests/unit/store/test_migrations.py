from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from roadstead.store import DatabaseTooNew, metadata, migrations, open_store


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
