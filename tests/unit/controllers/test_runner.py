from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from roadstead.controllers.controller import Controller, Shard
from roadstead.controllers.runner import Runner
from roadstead.store import Event, Store
from roadstead.store.leases import Lease, LeaseHolder, StaleLease, leases

DEADLINE = 10.0
LONG = 3600.0


class Counted:
    """Passes that can be waited for."""

    def __init__(self, inner: Callable[[Shard], Awaitable[None]] | None = None) -> None:
        self.count = 0
        self._inner = inner
        self._changed = asyncio.Condition()

    async def __call__(self, shard: Shard) -> None:
        async with self._changed:
            self.count += 1
            self._changed.notify_all()
        if self._inner is not None:
            await self._inner(shard)

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(lambda: self.count >= count)


def runner(store: Store, passes: Counted, *, owner: str = "a", lease: timedelta = timedelta(seconds=30)) -> Runner:
    return Runner(store, LeaseHolder(store, owner), [Controller("c", ("topic",), LONG, passes)], lease=lease)


async def test_passes_run_at_once_and_after_each_event(store: Store) -> None:
    passes = Counted()
    async with runner(store, passes):
        await passes.reach(1)
        async with store.transaction() as tx:
            tx.emit(Event("topic", "0", "r", "x"))
        await passes.reach(2)


async def test_a_failing_pass_is_tried_again(store: Store) -> None:
    async def fail_once(_: Shard) -> None:
        if passes.count == 1:
            raise ValueError("once")

    passes = Counted(fail_once)
    async with runner(store, passes):
        await passes.reach(2)


async def test_a_lease_that_meets_an_unexpected_fault_is_asked_for_again(store: Store) -> None:
    holder, passes = Unlucky(store, "a"), Counted()
    async with Runner(store, holder, [Controller("c", ("topic",), LONG, passes)]):
        await passes.reach(1)


class Unlucky(LeaseHolder):
    """What it asks first, the database answers with an error of its own."""

    lucky = False

    async def acquire(self, name: str, ttl: timedelta) -> Lease | None:
        if not self.lucky:
            self.lucky = True
            raise OperationalError("SELECT 1", {}, ValueError("disk I/O error"))
        return await super().acquire(name, ttl)


async def test_one_server_at_a_time_and_the_next_takes_over_at_once(store: Store) -> None:
    first, second = Counted(), Counted()
    async with runner(store, first, owner="a"):
        await first.reach(1)
        assert await LeaseHolder(store, "b").acquire("controller/c", timedelta(seconds=30)) is None
    async with runner(store, second, owner="b"):
        await second.reach(1)


async def test_a_stale_shard_writes_nothing(store: Store) -> None:
    old = await LeaseHolder(store, "a").acquire("controller/c", timedelta(seconds=30))
    assert old is not None
    shard = Shard(store, old)
    await old.release()
    assert await LeaseHolder(store, "b").acquire("controller/c", timedelta(seconds=30)) is not None

    async def write(tx: object) -> None:
        raise AssertionError("the fence must be checked first")

    with pytest.raises(StaleLease):
        await shard.run(write)


async def test_closing_ends_every_loop(store: Store) -> None:
    passes = Counted()
    async with runner(store, passes):
        await passes.reach(1)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("controller:")]


async def test_a_pass_that_takes_longer_than_the_lease_keeps_it(store: Store) -> None:
    lease = timedelta(seconds=0.6)
    ended = asyncio.Event()

    async def long(shard: Shard) -> None:
        await asyncio.sleep(3 * lease.total_seconds())
        await shard.run(nothing)
        ended.set()

    async def nothing(_: object) -> None:
        return

    async with runner(store, Counted(long), lease=lease), asyncio.timeout(DEADLINE):
        await ended.wait()
        assert await LeaseHolder(store, "b").acquire("controller/c", lease) is None


async def test_a_pass_ends_when_its_lease_is_lost(store: Store) -> None:
    lease = timedelta(seconds=0.6)
    cancelled = asyncio.Event()

    async def endless(_: Shard) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    passes = Counted(endless)
    async with runner(store, passes, lease=lease), asyncio.timeout(DEADLINE):
        await passes.reach(1)
        async with store.transaction() as tx:
            await tx.execute(update(leases).values(owner="other", fence=99, expires_at=far_away(store)))
        await cancelled.wait()


async def test_passes_wait_for_their_interval_whatever_the_lease(store: Store) -> None:
    passes = Counted()
    lease = timedelta(seconds=0.3)
    async with runner(store, passes, lease=lease):
        await passes.reach(1)
        await asyncio.sleep(4 * lease.total_seconds())
        assert passes.count == 1


def far_away(store: Store) -> datetime:
    return store.clock.now() + timedelta(days=1)
