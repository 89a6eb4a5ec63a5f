from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from tests.unit.store.tables import things

from roadstead.store import Event, ReadOnlyTransaction, Store, Transaction, TransactionAborted


async def names(store: Store) -> list[str]:
    async with store.snapshot() as tx:
        return list((await tx.execute(select(things.c.name).order_by(things.c.name))).scalars())


async def add(tx: Transaction, name: str, **values: object) -> None:
    await tx.execute(insert(things).values(name=name, **values))


async def test_values_come_back_as_they_went_in(store: Store):
    moment = datetime(2026, 11, 23, 8, 30, 0, 123457, tzinfo=UTC)
    payload = {"list": [1, 2.5, None, True], "text": "grüße", "nested": {"a": {}}}
    async with store.transaction() as tx:
        await add(tx, "a", payload=payload, created_at=moment)
        await add(tx, "b")
    async with store.snapshot() as tx:
        result = await tx.execute(select(things).order_by(things.c.name))
    assert result.mappings() == [
        {"name": "a", "rank": 0, "payload": payload, "created_at": moment},
        {"name": "b", "rank": 0, "payload": None, "created_at": None},
    ]
    assert result.all()[0].created_at.tzinfo is UTC


async def test_a_naive_time_is_refused(store: Store):
    with pytest.raises(Exception, match="time zone"):
        async with store.transaction() as tx:
            await add(tx, "a", created_at=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_a_transaction_reads_its_own_writes_and_others_do_not(store: Store):
    async with store.transaction() as tx:
        await add(tx, "a")
        assert (await tx.execute(select(func.count()).select_from(things))).scalar_one() == 1
        assert await names(store) == []
    assert await names(store) == ["a"]


async def test_a_snapshot_stays_at_its_moment(store: Store):
    async with store.snapshot() as tx:
        assert (await tx.execute(select(things.c.name))).all() == []
        async with store.transaction() as other:
            await add(other, "a")
        assert (await tx.execute(select(things.c.name))).all() == []
    assert await names(store) == ["a"]


async def test_an_exception_undoes_everything_of_its_transaction_alone(store: Store):
    called: list[str] = []
    subscription = store.subscribe("t")

    async def failing() -> None:
        async with store.transaction() as tx:
            await add(tx, "bad")
            tx.emit(Event("t", "1", "r", "bad"))
            tx.after_commit(lambda: called.append("bad"))
            raise KeyError("on purpose")

    async def working(name: str) -> None:
        async def work(tx: Transaction) -> None:
            await add(tx, name)

        await store.run(work)

    outcomes = await asyncio.gather(working("a"), failing(), working("b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), KeyError, type(None)]
    assert await names(store) == ["a", "b"]
    assert called == []
    assert not await subscription.wait(0)


async def test_after_an_error_nothing_more_is_done(store: Store):
    async with store.transaction() as tx:
        await add(tx, "a")
    with pytest.raises(TransactionAborted):  # noqa: PT012
        async with store.transaction() as tx:
            await add(tx, "b")
            with pytest.raises(IntegrityError):
                await add(tx, "a")
            with pytest.raises(TransactionAborted):
                await add(tx, "c")
    assert await names(store) == ["a"]


async def test_an_error_in_a_savepoint_undoes_the_savepoint(store: Store):
    called: list[str] = []
    async with store.transaction() as tx:
        await add(tx, "a")
        tx.after_commit(lambda: called.append("a"))
        with pytest.raises(IntegrityError):  # noqa: PT012
            async with tx.savepoint():
                await add(tx, "b")
                tx.after_commit(lambda: called.append("b"))
                await add(tx, "a")
        async with tx.savepoint():
            await add(tx, "c")
    assert await names(store) == ["a", "c"]
    assert called == ["a"]


async def test_a_snapshot_writes_nothing(store: Store):
    with pytest.raises(ReadOnlyTransaction):
        async with store.snapshot() as tx:
            await add(tx, "a")
    with pytest.raises(ReadOnlyTransaction):
        async with store.snapshot() as tx:
            tx.emit(Event("t", "1", "r", "x"))
    assert await names(store) == []


async def test_results(store: Store):
    async with store.transaction() as tx:
        inserted = await tx.execute(insert(things).values(name="a", rank=1))
        assert (inserted.rowcount, inserted.inserted_primary_key) == (1, ("a",))
        await tx.execute(insert(things), [{"name": "b", "rank": 2}, {"name": "c", "rank": 3}])
        returned = await tx.execute(update(things).where(things.c.rank > 1).values(rank=9).returning(things.c.name))
        assert sorted(returned.scalars()) == ["b", "c"]
        updated = await tx.execute(update(things).where(things.c.name == "nobody").values(rank=9))
        assert updated.rowcount == 0
        empty = await tx.execute(select(things).where(things.c.rank == 77))
        assert (empty.first(), empty.one_or_none(), empty.scalar(), list(empty)) == (None, None, None, [])


async def test_callbacks_run_after_the_commit_in_order(store: Store):
    called: list[int] = []
    async with store.transaction() as tx:
        await add(tx, "a")
        tx.after_commit(lambda: called.append(1))
        tx.after_commit(lambda: called.append(2))
        assert called == []
    assert called == [1, 2]
    async with store.transaction() as tx:
        tx.after_commit(lambda: called.append(3))
    assert called == [1, 2, 3]


async def test_read_check_then_insert_is_safe(store: Store):
    """The habit of every service: look whether the name is free, then take it."""
    winners: list[int] = []

    async def take(number: int) -> None:
        async def work(tx: Transaction) -> bool:
            row = (await tx.execute(select(things).where(things.c.name == "only"))).one_or_none()
            if row is not None:
                return False
            await add(tx, "only", rank=number)
            return True

        if await store.run(work):
            winners.append(number)

    await asyncio.gather(*(take(number) for number in range(12)))
    assert len(winners) == 1


async def test_no_write_skew(store: Store):
    """Two transactions that each read what the other writes: at least one must see the other's write."""
    async with store.transaction() as tx:
        await add(tx, "a", rank=1)
        await add(tx, "b", rank=1)

    async def leave(name: str) -> None:
        async def work(tx: Transaction) -> None:
            on_call = (
                await tx.execute(select(func.count()).select_from(things).where(things.c.rank == 1))
            ).scalar_one()
            if on_call > 1:
                await tx.execute(update(things).where(things.c.name == name).values(rank=0))

        await store.run(work)

    await asyncio.gather(leave("a"), leave("b"))
    async with store.snapshot() as tx:
        assert (await tx.execute(select(func.sum(things.c.rank)))).scalar_one() == 1


async def test_counting_up_loses_nothing(store: Store):
    async with store.transaction() as tx:
        await add(tx, "a")

    async def work(tx: Transaction) -> None:
        rank = (await tx.execute(select(things.c.rank).where(things.c.name == "a"))).scalar_one()
        await tx.execute(update(things).where(things.c.name == "a").values(rank=rank + 1))

    async def worker() -> None:
        for _ in range(5):
            await store.run(work)

    await asyncio.gather(*(worker() for _ in range(4)))
    async with store.snapshot() as tx:
        assert (await tx.execute(select(things.c.rank))).scalar_one() == 20


async def test_a_cancelled_transaction_is_undone(store: Store):
    inside = asyncio.Event()

    async def stuck() -> None:
        async with store.transaction() as tx:
            await add(tx, "a")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.transaction() as tx:
        await add(tx, "b")
    assert await names(store) == ["b"]


async def test_a_closed_store_refuses(store: Store):
    await store.close()
    with pytest.raises(Exception, match=r"closed|answer"):
        async with store.transaction() as tx:
            await add(tx, "a")


async def test_wakeups_follow_commits(store: Store):
    tasks, everything, images = (
        store.subscribe("ecs.task"),
        store.subscribe(),
        store.subscribe("ecr.image", "ecr.repository"),
    )
    async with store.transaction() as tx:
        tx.emit(Event("ecs.task", "1", "r", "x"))
        assert not await tasks.wait(0.01)
    assert await tasks.wait(5)
    assert await everything.wait(5)
    assert not await images.wait(0)
    images.close()
    async with store.transaction() as tx:
        tx.emit(Event("ecr.image", "1", "r", "x"))
        tx.emit(Event("ecr.image", "1", "r", "y"))
    assert not await images.wait(0)


async def test_the_version_changes_before_a_write_is_acknowledged(store: Store):
    before = store.version
    assert (before is None) == store.url.startswith("postgresql")
    async with store.snapshot():
        pass
    assert store.version == before
    async with store.transaction() as tx:
        await tx.execute(insert(things).values(name="x", payload=""))
    assert before is None or store.version != before
