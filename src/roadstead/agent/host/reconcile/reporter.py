"""Sends statuses to the server: at once, several in one call when they pile up, and again until the server has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from roadstead.agent.host.reconcile.model import Disconnected, Reference
from roadstead.agent.host.reconcile.queue import backoff
from roadstead.wire.hosts import HostResourceStatus

Report = Callable[[Sequence[HostResourceStatus]], Awaitable[None]]

LARGEST_BATCH = 100

_log = structlog.get_logger(__name__)


class Reporter:
    """Keeps the newest status of each resource until it has been sent; an unchanged one is not sent again."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._pending: dict[Reference, HostResourceStatus] = {}
        self._sent: dict[Reference, HostResourceStatus] = {}
        self._arrival = asyncio.Event()

    def put(self, status: HostResourceStatus) -> None:
        """Send `status` soon, in place of an older one of the same resource that still waits."""
        name = Reference(status.kind, status.id)
        if name not in self._pending and self._sent.get(name) == status:
            return
        self._pending[name] = status
        self._arrival.set()

    def repeat(self) -> None:
        """Forget what was sent and what waits: the server began a new list, of which every resource is looked at and reported anew.

        It may know less than before, and refuse what waits: the word that a resource is gone which it wants again.
        """
        self._sent.clear()
        self._pending.clear()

    async def run(self) -> None:
        """Send until cancelled. While the server is away (Disconnected, OSError) statuses wait, the newest of each."""
        failures = 0
        while True:
            await self._arrival.wait()
            self._arrival.clear()
            while self._pending:
                batch = dict(list(self._pending.items())[:LARGEST_BATCH])
                try:
                    await self._report(tuple(batch.values()))
                except (Disconnected, OSError) as error:
                    failures += 1
                    _log.warning("host statuses wait for the server", error=str(error), statuses=len(self._pending))
                    await asyncio.sleep(backoff(failures))
                    continue
                failures = 0
                self._settle(batch)

    def _settle(self, batch: dict[Reference, HostResourceStatus]) -> None:
        for name, status in batch.items():
            if self._pending.get(name) is status:
                del self._pending[name]
            if status.finalized:
                self._sent.pop(name, None)
            else:
                self._sent[name] = status
