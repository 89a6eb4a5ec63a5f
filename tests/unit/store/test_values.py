"""Values that a column can't hold are refused alike on both databases, before and by the database."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, insert, select, update
from tests.unit.store.tables import things

from roadstead.store import Lookup, Store, UnstorableValue

NAMED = Lookup(select(things.c.rank).where(things.c.name == bindparam("name")))

BAD_TEXTS = ["a\0b", "\0", "\ud800", "grüße\0"]


@pytest.mark.parametrize("text", BAD_TEXTS)
async def test_texts(store: Store, text: str) -> None:
    for statement in (
        insert(things).values(name=text),
        update(things).values(name=text),
        select(things.c.rank).where(things.c.name == text),
        select(things.c.rank).where(things.c.name.in_(["a", text])),
        select(things.c.rank).where(things.c.name.startswith(text, autoescape=True)),
    ):
        with pytest.raises(UnstorableValue):
            async with store.transaction() as tx:
                await tx.execute(statement)
    with pytest.raises(UnstorableValue):
        async with store.transaction() as tx:
            await tx.execute(insert(things), [{"name": "a"}, {"name": text}])
    with pytest.raises(UnstorableValue):
        async with store.snapshot() as tx:
            await tx.look_up(NAMED, name=text)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
async def test_numbers(store: Store, number: int) -> None:
    with pytest.raises(UnstorableValue):
        await store.run(lambda tx: tx.execute(insert(things).values(name="a", rank=number)))
    with pytest.raises(UnstorableValue):
        async with store.snapshot() as tx:
            await tx.execute(select(things.c.name).where(things.c.rank == number))


async def test_what_postgresql_alone_refuses(store: Store) -> None:
    if store.url.startswith("sqlite"):
        return  # it has no lengths
    for values in ({"name": "x" * 65}, {"name": "a", "rank": 2**40}):
        with pytest.raises(UnstorableValue):
            await store.run(lambda tx, values=values: tx.execute(insert(things).values(**values)))


async def test_the_store_goes_on(store: Store) -> None:
    with pytest.raises(UnstorableValue):
        await store.run(lambda tx: tx.execute(insert(things).values(name="\0")))
    await store.run(lambda tx: tx.execute(insert(things).values(name="grüße", payload={"text": "\0"})))
    async with store.snapshot() as tx:
        assert (await tx.execute(select(things.c.name, things.c.payload))).all() == [("grüße", {"text": "\0"})]
