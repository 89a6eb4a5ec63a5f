"""A server's sign of life: a lease of its own, which says that its word on who is connected to it counts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

import structlog

from roadstead.agentlink.presence import Presence
from roadstead.controllers.links import clear_links, liveness_lease
from roadstead.store import Store, StoreError, Transaction
from roadstead.store.leases import Lease, LeaseHolder, StaleLease

LIFE = timedelta(seconds=15)
"""How long others believe in a server that they hear nothing of."""
_RETRY_SECONDS = 1.0
_RELEASE_SECONDS = 2.0
_log = structlog.get_logger("server")


class HeldLinks(Protocol):
    """The links of this server."""

    async def reconnect(self) -> None:
        """Ask everyone to connect again."""
        ...

    async def settle(self) -> None:
        """Take back what is still said of links that went. Raises StoreError."""
        ...


class Liveness:
    """Entering it forgets the links of this server's last life; while it lasts, the lease is renewed.

    A server that others took for dead, because it was stopped or cut off for longer than LIFE, has its links made again: what
    the store says of them was cleared meanwhile. With each sign of life it settles what it could not write when links went.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._holder = LeaseHolder(store, name)
        self._lease: Lease | None = None
        self._renewing: asyncio.Task[None] | None = None
        self.links: HeldLinks | None = None

    @property
    def presence(self) -> Presence:
        """What links are recorded under."""
        return Presence(self._name, self.guard)

    async def guard(self, tx: Transaction) -> None:
        """Raise StaleLease once others take this server for dead."""
        if self._lease is None:
            raise StaleLease(self._name)
        await self._lease.guard(tx)

    async def __aenter__(self) -> Self:
        await self._begin()
        self._renewing = asyncio.create_task(self._renew(), name="liveness")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._lease is not None:
            try:
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._lease.release()
            except (StoreError, TimeoutError) as failure:
                # It expires by itself.
                _log.info("sign of life not taken back", error=str(failure))

    async def _begin(self) -> None:
        lease = await self._holder.acquire(liveness_lease(self._name), LIFE)
        if lease is None:
            raise StoreError(f"another server goes by the name of {self._name}")

        async def clear(tx: Transaction) -> int:
            await lease.guard(tx)
            return await clear_links(tx, self._name)

        cleared = await self._store.run(clear)
        if cleared:
            _log.info("links of an earlier life cleared", links=cleared)
        self._lease = lease

    async def _renew(self) -> None:
        pause = LIFE.total_seconds() / 3
        while True:
            await asyncio.sleep(pause)
            try:
                await self._renew_once()
                pause = LIFE.total_seconds() / 3
            except StoreError as error:
                _log.warning("no sign of life", error=str(error))
                pause = _RETRY_SECONDS
            except Exception:  # noqa: BLE001 - whatever it met, without further signs others take this server for dead
                _log.exception("no sign of life")
                pause = _RETRY_SECONDS

    async def _renew_once(self) -> None:
        if self._lease is not None:
            try:
                await self._lease.renew()
            except StaleLease:
                self._lease = None
            else:
                if self.links is not None:
                    await self.links.settle()
                return
        _log.warning("others took this server for dead")
        await self._begin()
        if self.links is not None:
            await self.links.reconnect()
