"""The engine: follows the watch stream, gives each resource to its kind's reconciler, reports what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from roadstead.agent.host.reconcile.binding import Carrier
from roadstead.agent.host.reconcile.model import READY, SUPPORTED, Disconnected, Goal, NotYet, Reference
from roadstead.agent.host.reconcile.queue import WorkQueue, backoff
from roadstead.agent.host.reconcile.reporter import Report, Reporter
from roadstead.agent.host.reconcile.state import DesiredState, Entry, Phase
from roadstead.wire.hosts import Condition, Frame, HostResource, HostResourceStatus, ListFrame

Frames = Callable[[int | None], AsyncIterator[Frame]]
"""Opens the watch stream behind a revision (None: begin with a List). It ends, or raises Disconnected or OSError, when the link is lost."""

WORKERS = 64
"""Resources that are worked on at once. Most of that time is spent waiting for the kernel to let go of links."""

RESYNC_SECONDS = 60.0

_log = structlog.get_logger(__name__)


class Engine:
    """Level-triggered: every pass compares what is desired with what the host has, so a lost wake-up costs time only.

    `carriers` stand in the order of their dependencies: a sweep goes through them backwards.
    While the stream is away the last desired state stays in force.
    """

    def __init__(
        self,
        carriers: Sequence[Carrier],
        *,
        frames: Frames,
        report: Report,
        boot_id: str,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._carriers = {carrier.kind: carrier for carrier in carriers}
        self._frames = frames
        self._boot_id = boot_id
        self._resync_seconds = resync_seconds
        self._state = DesiredState(self._references)
        self._ready: set[Reference] = set()
        self._queue: WorkQueue[Reference] = WorkQueue()
        self._reporter = Reporter(report)
        self._swept = False

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reporter.run(), name="host-reporter")
                group.create_task(self._resync(), name="host-resync")
                for number in range(WORKERS):
                    group.create_task(self._work(), name=f"host-worker-{number}")
                await self._follow()
        finally:
            self._queue.close()

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                async for frame in self._frames(self._state.revision):
                    failures = 0
                    await self._apply(frame)
            except (Disconnected, OSError) as error:
                _log.warning("host watch stream lost", error=str(error), revision=self._state.revision)
            failures += 1
            await asyncio.sleep(backoff(failures))

    async def _apply(self, frame: Frame) -> None:
        touched = self._state.apply(frame)
        if isinstance(frame, ListFrame):
            self._reporter.repeat()
        if not self._swept and self._state.revision is not None:
            await self._sweep()
        for name in touched:
            self._queue.add(name)

    async def _sweep(self) -> None:
        """Remove what an earlier life of this process left and nobody wants any more. No frame is applied meanwhile.

        What fails is tried again at the next frame: bookmarks come now and then.
        """
        resources = [entry.resource for entry in self._state.entries.values()]
        try:
            for carrier in reversed(self._carriers.values()):
                await carrier.sweep([resource for resource in resources if resource.kind == carrier.kind])
        except OSError as error:
            _log.warning("leftovers could not be swept", error=str(error))
            return
        self._swept = True

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._resync_seconds)
            for name, entry in self._state.entries.items():
                if entry.phase is not Phase.FINALIZED:
                    self._queue.add(name)

    async def _work(self) -> None:
        while True:
            name = await self._queue.take()
            if await self._reconcile(name):
                self._queue.done(name)
            else:
                self._queue.failed(name)

    async def _reconcile(self, name: Reference) -> bool:
        """One pass over one resource; False asks for another one later."""
        entry = self._state.entries.get(name)
        if entry is None or entry.phase is Phase.FINALIZED:
            return True
        carrier = self._carriers.get(name.kind)
        if carrier is None:
            return self._unsupported(name, entry)
        waiting = self._waits_for(name, entry)
        if waiting is not None:
            self._not_ready(name, entry, waiting)
            return True
        try:
            conditions = await carrier.reconcile(entry.resource, entry.goal)
        except NotYet as error:
            self._not_ready(name, entry, error)
            return False
        except OSError as error:
            _log.warning("host resource failed", resource=str(name), error=str(error))
            self._not_ready(name, entry, NotYet("HostError", str(error)))
            return False
        except Exception as error:  # noqa: BLE001 - one resource's fault must not stop the others
            _log.exception("host resource failed by a fault of ours", resource=str(name))
            self._not_ready(name, entry, NotYet("InternalError", f"{type(error).__name__}: {error}"))
            return False
        if entry.goal is Goal.PRESENT:
            self._succeeded(name, entry, conditions)
        else:
            self._finalize(name, entry)
        return True

    def _waits_for(self, name: Reference, entry: Entry) -> NotYet | None:
        if entry.goal is Goal.PRESENT:
            missing = self._state.missing(entry, self._ready)
            return NotYet("WaitingForReference", ", ".join(map(str, missing))) if missing else None
        left = sorted(self._state.dependants(name))
        return NotYet("DependantsRemain", ", ".join(map(str, left[:10]))) if left else None

    def _succeeded(self, name: Reference, entry: Entry, conditions: tuple[Condition, ...]) -> None:
        if name not in self._ready:
            self._ready.add(name)
            for other in self._state.dependants(name):
                self._queue.add(other)
        self._put(entry.resource, (Condition(type=READY, status="True"), *conditions))

    def _not_ready(self, name: Reference, entry: Entry, why: NotYet) -> None:
        self._ready.discard(name)
        if entry.phase is not Phase.FORGOTTEN:
            self._put(entry.resource, (Condition(type=READY, status="False", reason=why.reason, message=why.message),))

    def _unsupported(self, name: Reference, entry: Entry) -> bool:
        """A kind that this host does not know: it has nothing of it, so a deletion is done at once."""
        if entry.goal is Goal.ABSENT:
            self._finalize(name, entry)
        else:
            why = Condition(type=SUPPORTED, status="False", reason="Unsupported", message=f"unknown kind {name.kind}")
            self._put(entry.resource, (why, Condition(type=READY, status="False", reason="Unsupported")))
        return True

    def _finalize(self, name: Reference, entry: Entry) -> None:
        self._ready.discard(name)
        before = self._state.finalize(name, entry.resource)
        if before is None:
            self._queue.add(name)
            return
        if before is not Phase.FORGOTTEN:
            gone = Condition(type=READY, status="False", reason="Deleted")
            self._put(entry.resource, (gone,), finalized=True)
        for reference in entry.references:
            # Only one that is going waited for this.
            if (other := self._state.entries.get(reference)) is not None and other.goal is Goal.ABSENT:
                self._queue.add(reference)

    def _put(self, resource: HostResource, conditions: tuple[Condition, ...], *, finalized: bool = False) -> None:
        status = HostResourceStatus(
            kind=resource.kind,
            id=resource.id,
            observed_generation=resource.generation,
            conditions=conditions,
            boot_id=self._boot_id,
            finalized=finalized,
        )
        self._reporter.put(status)

    def _references(self, resource: HostResource) -> tuple[Reference, ...]:
        carrier = self._carriers.get(resource.kind)
        return carrier.references(resource) if carrier is not None else ()
