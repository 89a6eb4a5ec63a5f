from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.unit.store.clocks import HandClock
from tests.unit.store.tables import things

from roadstead.store import Store, open_store
from roadstead.store.leases import Lease, LeaseHolder, StaleLease, is_held, lapse

LONG = timedelta(minutes=5)
SHORT = timedelta(milliseconds=50)


async def acquire(holder: LeaseHolder, ttl: timedelta = LONG) -> Lease:
    lease = await holder.acquire("shard-1", ttl)
    assert lease is not None
    return lease


async def acquire_soon(holder: LeaseHolder, ttl: timedelta = LONG) -> Lease:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lease = await holder.acquire("shard-1", ttl)
        if lease is not None:
            return lease
        await asyncio.sleep(0.01)
    raise AssertionError("the lease did not become free")


async def write(store: Store, lease: Lease, name: str) -> None:
    async with store.transaction() as tx:
        await lease.guard(tx)
        await tx.execute(insert(things).values(name=name))


async def test_one_holder_at_a_time(store: Store):
    a, b = LeaseHolder(store, "a"), LeaseHolder(store, "b")
    lease = await acquire(a)
    assert await b.acquire("shard-1", LONG) is None
    assert await b.acquire("shard-2", LONG) is not None
    await lease.renew()
    assert not lease.expired
    await lease.release()
    assert lease.expired
    assert (await acquire(b)).fence > lease.fence


async def test_many_servers_at_once_get_it_once(store: Store):
    holders = [LeaseHolder(store, f"server-{n}") for n in range(8)]
    leases = await asyncio.gather(*(holder.acquire("shard-1", LONG) for holder in holders))
    assert len([lease for lease in leases if lease is not None]) == 1


async def test_an_expired_lease_changes_hands_and_the_old_holders_writes_fail(store: Store):
    a, b = LeaseHolder(store, "a"), LeaseHolder(store, "b")
    old = await acquire(a, SHORT)
    await write(store, old, "first")
    new = await acquire_soon(b)
    assert new.fence == old.fence + 1
    with pytest.raises(StaleLease):
        await write(store, old, "late")
    with pytest.raises(StaleLease):
        await old.renew()
    await old.release()
    await write(store, new, "second")
    async with store.snapshot() as tx:
        assert sorted((await tx.execute(select(things.c.name))).scalars()) == ["first", "second"]


async def test_expired_but_not_taken_is_still_good(store: Store):
    lease = await acquire(LeaseHolder(store, "a"), timedelta(0))
    assert lease.expired
    await write(store, lease, "a")
    await lease.renew()


async def test_a_restarted_owner_gets_its_lease_back_at_once_with_a_new_fence(store: Store):
    first = await acquire(LeaseHolder(store, "a"))
    second = await acquire(LeaseHolder(store, "a"))
    assert second.fence == first.fence + 1
    with pytest.raises(StaleLease):
        await write(store, first, "late")


async def test_fences_only_grow(store: Store):
    fences: list[int] = []
    for round_ in range(5):
        lease = await acquire(LeaseHolder(store, f"server-{round_ % 2}"))
        fences.append(lease.fence)
        await lease.release()
    assert fences == sorted(set(fences))


async def test_a_clock_that_was_set_back_frees_the_lease_after_one_watched_ttl(tmp_path: Path):
    clock = HandClock()
    async with await open_store(f"sqlite:///{tmp_path / 'db'}", clock=clock) as store:
        await store.create_all()
        a, b = LeaseHolder(store, "a"), LeaseHolder(store, "b")
        await acquire(a, timedelta(seconds=10))
        clock.jump(-3600)
        assert await b.acquire("shard-1", timedelta(seconds=10)) is None
        clock.pass_time(9)
        assert await b.acquire("shard-1", timedelta(seconds=10)) is None
        clock.pass_time(2)
        assert await b.acquire("shard-1", timedelta(seconds=10)) is not None


async def test_a_holder_that_renews_keeps_it_when_the_clock_was_set_back(tmp_path: Path):
    clock = HandClock()
    async with await open_store(f"sqlite:///{tmp_path / 'db'}", clock=clock) as store:
        await store.create_all()
        a, b = LeaseHolder(store, "a"), LeaseHolder(store, "b")
        lease = await acquire(a, timedelta(seconds=10))
        clock.jump(-3600)
        for _ in range(5):
            clock.pass_time(6)
            await lease.renew()
            assert not lease.expired
            assert await b.acquire("shard-1", timedelta(seconds=10)) is None


async def test_a_clock_that_jumps_ahead_costs_the_lease_but_no_write(tmp_path: Path):
    clock = HandClock()
    async with await open_store(f"sqlite:///{tmp_path / 'db'}", clock=clock) as store:
        await store.create_all()
        a, b = LeaseHolder(store, "a"), LeaseHolder(store, "b")
        old = await acquire(a, timedelta(seconds=10))
        clock.jump(3600)
        assert not old.expired
        await acquire(b, timedelta(seconds=10))
        with pytest.raises(StaleLease):
            await write(store, old, "late")


async def test_a_lease_is_held_until_it_is_released_or_its_time_is_over(store: Store):
    async def held() -> bool:
        async with store.snapshot() as tx:
            return await is_held(tx, "shard-1")

    assert not await held()
    lease = await acquire(LeaseHolder(store, "a"))
    assert await held()
    await lease.release()
    assert not await held()
    await acquire(LeaseHolder(store, "b"), SHORT)
    await asyncio.sleep(2 * SHORT.total_seconds())
    assert not await held()


async def test_a_lapsed_lease_is_gone_for_its_holder_even_if_nobody_else_wants_it(store: Store):
    async def lapsed() -> bool:
        return await store.run(lambda tx: lapse(tx, "shard-1"))

    lease = await acquire(LeaseHolder(store, "a"))
    assert not await lapsed()
    await lease.renew()
    short = await acquire(LeaseHolder(store, "a"), SHORT)
    await asyncio.sleep(2 * SHORT.total_seconds())
    assert await lapsed()
    assert await lapsed(), "again is no error"
    with pytest.raises(StaleLease):
        await short.renew()
    with pytest.raises(StaleLease):
        await write(store, short, "late")
    assert (await acquire(LeaseHolder(store, "a"))).fence > short.fence
