"""Runs controllers: one loop each, under a lease each, until the runner is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

import structlog

from roadstead.controllers.backoff import Backoff
from roadstead.controllers.controller import Controller, Shard
from roadstead.store import Store, StoreError, Subscription
from roadstead.store.leases import Lease, LeaseHolder, StaleLease

LEASE = timedelta(seconds=20)
"""How long a server that died keeps the others from its controllers."""
RETRY = 2.5
"""Seconds between attempts to get a lease that another server holds."""
_RENEW_AGAIN = 1.0
_RELEASE_SECONDS = 2.0
_NO_TOPIC = "none"
"""A subscription without topics would hear everything."""
_log = structlog.get_logger("controllers")


class Runner:
    """The controllers of one server. Enter it to start them; leaving it stops them and lets the leases go."""

    def __init__(
        self, store: Store, holder: LeaseHolder, controllers: Sequence[Controller], *, lease: timedelta = LEASE
    ) -> None:
        self._store = store
        self._holder = holder
        self._controllers = controllers
        self._lease = lease
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._forever(controller), name=f"controller:{controller.name}")
            for controller in self._controllers
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _forever(self, controller: Controller) -> None:
        backoff = Backoff()
        with self._store.subscribe(*(controller.topics or (_NO_TOPIC,))) as wakeups:
            while True:
                try:
                    lease = await self._holder.acquire(f"controller/{controller.name}", self._lease)
                    if lease is None:
                        await asyncio.sleep(RETRY)
                        continue
                    await self._lead(controller, lease, wakeups, backoff)
                except StaleLease:
                    _log.warning("lease lost", controller=controller.name)
                except StoreError as error:
                    delay = backoff.failed()
                    _log.warning("store failed", controller=controller.name, error=str(error), delay=delay)
                    await asyncio.sleep(delay)
                except Exception:  # noqa: BLE001 - whatever the lease met, the controller must be tried again
                    delay = backoff.failed()
                    _log.exception("controller failed", controller=controller.name, delay=delay)
                    await asyncio.sleep(delay)

    async def _lead(self, controller: Controller, lease: Lease, wakeups: Subscription, backoff: Backoff) -> None:
        """Run passes for as long as the lease is ours; raises StaleLease or another StoreError."""
        _log.info("leading", controller=controller.name, fence=lease.fence)
        try:
            await _either(_keep(lease), self._passes(controller, Shard(self._store, lease), wakeups, backoff))
        finally:
            await self._let_go(controller, lease)

    async def _passes(self, controller: Controller, shard: Shard, wakeups: Subscription, backoff: Backoff) -> None:
        while True:
            if await self._pass(controller, shard):
                backoff.succeeded()
                await wakeups.wait(controller.interval)
            else:
                await asyncio.sleep(min(backoff.failed(), controller.interval))

    async def _pass(self, controller: Controller, shard: Shard) -> bool:
        """One pass; False when it failed for a reason of its own, which is logged."""
        try:
            await controller.pass_(shard)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - the fault of one pass must not end the loop
            _log.exception("pass failed", controller=controller.name)
            return False
        return True

    async def _let_go(self, controller: Controller, lease: Lease) -> None:
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await asyncio.shield(lease.release())
        except (StoreError, TimeoutError) as error:
            # It expires by itself.
            _log.info("lease not released", controller=controller.name, error=str(error))


async def _keep(lease: Lease) -> None:
    """Renew the lease, beside passes of any length; raises StaleLease, or what the store says when the lease's time is over."""
    pause = lease.ttl.total_seconds() / 3
    while True:
        await asyncio.sleep(pause)
        try:
            await lease.renew()
            pause = lease.ttl.total_seconds() / 3
        except StaleLease:
            raise
        except StoreError:
            if lease.expired:
                raise
            pause = min(_RENEW_AGAIN, pause)


async def _either(*works: Coroutine[object, object, None]) -> None:
    """Run all until the first one ends, and raise what it raised; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
