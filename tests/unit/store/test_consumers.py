from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from roadstead.store import Event, Store, Transaction
from roadstead.store.consumers import Consumer, Delivery, trim
from roadstead.store.outbox import outbox

NO_TIME = timedelta(0)
LONG = timedelta(days=7)


async def emit(store: Store, *names: str, topic: str = "t") -> None:
    async with store.transaction() as tx:
        for name in names:
            tx.emit(Event(topic, "000000000000", "us-east-1", name, {"name": name}))


def names(deliveries: list[Delivery]) -> list[str]:
    return [delivery.event.resource for delivery in deliveries]


async def drain(store: Store, consumer: Consumer, *, until: int) -> list[str]:
    """Read and acknowledge until `until` events came (on PostgreSQL any other transaction may hold them back for a moment)."""
    seen: list[str] = []
    async with asyncio.timeout(10):
        while len(seen) < until:
            batch = await consumer.read(limit=2)
            seen += names(batch)
            if batch:
                await store.run(lambda tx, position=batch[-1].position: consumer.acknowledge(tx, position))
            else:
                await asyncio.sleep(0.01)
    return seen


async def test_events_come_in_order_again_until_they_are_acknowledged(store: Store):
    consumer = Consumer(store, "bridge")
    await consumer.register()
    await emit(store, "a", "b")
    await emit(store, "c")
    assert names(await consumer.read()) == ["a", "b", "c"]
    again = await consumer.read(limit=2)
    assert names(again) == ["a", "b"]
    assert again[0].event == Event("t", "000000000000", "us-east-1", "a", {"name": "a"})
    await store.run(lambda tx: consumer.acknowledge(tx, again[0].position))
    await Consumer(store, "bridge").register()  # a restart does not begin anew
    assert names(await Consumer(store, "bridge").read()) == ["b", "c"]


async def test_topics_and_starting_now(store: Store):
    await emit(store, "old")
    images, late = Consumer(store, "images", "ecr.image"), Consumer(store, "late")
    await images.register()
    await late.register(from_now=True)
    await emit(store, "image", topic="ecr.image")
    assert names(await images.read()) == ["image"]
    assert names(await late.read()) == ["image"]


async def test_an_acknowledgement_commits_with_what_was_done(store: Store):
    consumer = Consumer(store, "bridge")
    await consumer.register()
    await emit(store, "a")
    [delivery] = await consumer.read()

    async def fail(tx: Transaction) -> None:
        await consumer.acknowledge(tx, delivery.position)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.run(fail)
    assert names(await consumer.read()) == ["a"]


async def test_a_transaction_that_commits_late_is_not_passed_by(store: Store):
    """A smaller id can become visible after a larger one where several transactions write at once."""
    consumer = Consumer(store, "bridge")
    await consumer.register()
    if store.url.startswith("sqlite"):
        await emit(store, "early", "late")
    else:
        async with store.transaction() as slow:
            async with slow.savepoint():
                slow.emit(Event("t", "1", "r", "late"))
                await slow.finish()  # takes its number and its id now
                slow._events.clear()
            await emit(store, "early")
            assert names(await consumer.read()) == []
    assert sorted(await drain(store, consumer, until=2)) == ["early", "late"]


async def test_concurrent_writers_lose_nothing(store: Store):
    consumer = Consumer(store, "bridge")
    await consumer.register()

    async def writer(number: int) -> None:
        for step in range(10):

            async def work(tx: Transaction, name: str = f"{number}-{step}") -> None:
                tx.emit(Event("t", "1", "r", name))
                await tx.execute(select(func.count()).select_from(outbox).where(outbox.c.topic == "none"))

            await store.run(work)

    reader = asyncio.create_task(drain(store, consumer, until=40))
    await asyncio.gather(*(writer(number) for number in range(4)))
    seen = await reader
    assert sorted(seen) == sorted(f"{number}-{step}" for number in range(4) for step in range(10))


async def test_trimming_spares_what_is_unread_for_a_while(store: Store):
    consumer = Consumer(store, "bridge")
    await consumer.register()
    await emit(store, "a", "b", "c")
    [a, b, _] = await consumer.read()
    assert a.position < b.position
    await store.run(lambda tx: consumer.acknowledge(tx, b.position))
    assert await trim(store, keep=LONG, keep_unread=LONG) == 0
    assert await trim(store, keep=NO_TIME, keep_unread=LONG) == 2
    assert names(await consumer.read()) == ["c"]
    assert await trim(store, keep=NO_TIME, keep_unread=NO_TIME) == 1
    await emit(store, "d")
    assert names(await consumer.read()) == ["d"]
    await consumer.forget()
    assert await trim(store, keep=NO_TIME, keep_unread=LONG) == 1
