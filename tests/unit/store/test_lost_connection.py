from __future__ import annotations

import pytest
from sqlalchemy import literal, select
from tests.support.postgres import PostgresServer

from roadstead.store import Store, StoreUnavailable, open_store

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'roadstead'"


@pytest.mark.postgres
async def test_a_snapshot_whose_connection_is_lost_says_that_the_store_is_away(postgres_server: PostgresServer):
    name = postgres_server.create_database()
    async with await open_store(postgres_server.url(name)) as store:
        with pytest.raises(StoreUnavailable):
            await _read_across_a_cut(store, postgres_server, name)
        async with store.snapshot() as tx:
            assert (await tx.execute(select(literal(1)))).scalar() == 1
    postgres_server.drop_database(name)


async def _read_across_a_cut(store: Store, server: PostgresServer, name: str) -> None:
    async with store.snapshot() as tx:
        await tx.execute(select(literal(1)))
        server.sql(_CUT.format(name))
        await tx.execute(select(literal(1)))
