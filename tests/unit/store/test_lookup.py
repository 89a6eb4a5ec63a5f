from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.unit.store.tables import things

from roadstead.store import Lookup, Store, Transaction, TransactionAborted

ROW = Lookup(
    select(things.c.payload, things.c.rank, things.c.created_at).where(
        things.c.name == bindparam("name"), things.c.rank >= bindparam("rank"), things.c.name != bindparam("not_name")
    )
)
BROKEN = Lookup(select(func.no_such_function(bindparam("name"))))


async def test_a_lookup_finds_what_a_select_finds(store: Store):
    moment = datetime(2026, 11, 23, 8, 30, 0, 123457, tzinfo=UTC)
    async with store.transaction() as tx:
        await tx.execute(insert(things).values(name="a", rank=3, payload={"x": [1]}, created_at=moment))
        await tx.execute(insert(things).values(name="b", rank=1))
        assert list(await tx.look_up(ROW, name="a", rank=3, not_name="z")) == [({"x": [1]}, 3, moment)]
    async with store.snapshot() as tx:
        assert list(await tx.look_up(ROW, rank=0, not_name="z", name="a")) == [({"x": [1]}, 3, moment)]
        assert list(await tx.look_up(ROW, rank=0, not_name="z", name="b")) == [(None, 1, None)]
        assert list(await tx.look_up(ROW, rank=2, not_name="z", name="b")) == []


async def test_a_value_that_is_missing_is_a_key_error(store: Store):
    async with store.snapshot() as tx:
        with pytest.raises(KeyError, match="not_name"):
            await tx.look_up(ROW, name="a", rank=0)


async def test_a_lookup_that_fails_aborts_the_transaction_as_any_statement_does(store: Store):
    async def work(tx: Transaction) -> None:
        with pytest.raises(DBAPIError):
            await tx.look_up(BROKEN, name="a")
        with pytest.raises(TransactionAborted):
            await tx.look_up(ROW, name="a", rank=0, not_name="z")

    with pytest.raises(TransactionAborted):
        await store.run(work)


async def test_no_lookup_after_a_failed_statement(store: Store):
    async def work(tx: Transaction) -> None:
        await tx.execute(insert(things).values(name="a"))
        with pytest.raises(IntegrityError):
            await tx.execute(insert(things).values(name="a"))
        with pytest.raises(TransactionAborted):
            await tx.look_up(ROW, name="a", rank=0, not_name="z")

    with pytest.raises(TransactionAborted):
        await store.run(work)
