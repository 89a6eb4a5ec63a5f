"""One agent's session: what it must hear of, until it has acknowledged it.

Level-triggered: a commit only says "look again", and a periodic pass sends again whatever the store says is unacknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import uuid4

import msgspec
import structlog

from roadstead.agentlink.socket import GOING_AWAY, Disconnected, Socket
from roadstead.kernel.clock import Clock
from roadstead.services.ecs import api as ecs
from roadstead.services.ecs.payloads import Payloads
from roadstead.store import Store, StoreError, Transaction
from roadstead.wire import acs
from roadstead.wire.envelope import MalformedMessage, UnknownMessage

log = structlog.get_logger("agentlink.acs")

TASKS_IN_PAYLOAD = 10


@dataclass(frozen=True, slots=True)
class AcsTimers:
    """Seconds. `life` is how long a session lasts before the agent is asked to connect again."""

    heartbeat: float = 60.0
    resend: float = 30.0
    credentials: float = 60.0
    life: float = 1800.0
    silence: float = 180.0
    """An agent that acknowledges no heartbeat for so long is gone."""


@dataclass(frozen=True, slots=True)
class _Unrenewed:
    """A renewal that was sent, and which of its messages the agent has not acknowledged."""

    renewal: ecs.Renewal
    message_ids: set[str]


class AcsSession:
    """Serves one connection that was let in."""

    def __init__(
        self,
        socket: Socket,
        store: Store,
        instance: ecs.InstanceRecord,
        payloads: Payloads,
        clock: Clock,
        timers: AcsTimers,
        *,
        wants_credentials: bool,
    ) -> None:
        self._socket = socket
        self._store = store
        self._instance = instance
        self._payloads = payloads
        self._clock = clock
        self._timers = timers
        self._wants_credentials = wants_credentials
        self._unacknowledged: dict[str, Sequence[ecs.Outgoing]] = {}
        self._renewals: dict[str, _Unrenewed] = {}
        self._heard = clock.monotonic()

    async def run(self) -> None:
        """Until the agent is gone, the session's life is over, or `close`."""
        jobs = [
            asyncio.create_task(job, name=f"{name} {self._instance.id}")
            for name, job in (
                ("receive", self._receive()),
                ("push", self._push()),
                ("heartbeat", self._heartbeat()),
                ("credentials", self._refresh_credentials()),
                ("life", asyncio.sleep(self._timers.life)),
            )
        ]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            for job in done:
                if (error := job.exception()) is not None and not isinstance(error, Disconnected):
                    raise error
            await self.close("the session's time is over")
        except (StoreError, MalformedMessage) as error:
            log.warning("session ends", container_instance=self._instance.arn, error=str(error))
            await self.close("the server can't serve this session now")
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def close(self, reason: str) -> None:
        """Tell the agent to connect again."""
        try:
            await self._send(acs.CloseMessage(message=reason))
        except Disconnected:
            return
        await self._socket.close(GOING_AWAY, reason)

    async def _push(self) -> None:
        with self._store.subscribe(ecs.TASK_TOPIC) as wakeups:
            told = await self._send_manifest()
            after = max(told, await self._send_tasks(None))
            again = self._clock.monotonic() + self._timers.resend
            while True:
                await wakeups.wait(max(0.0, again - self._clock.monotonic()))
                if self._clock.monotonic() >= again:
                    after = max(after, await self._send_tasks(None))
                    again = self._clock.monotonic() + self._timers.resend
                else:
                    after = max(after, await self._send_tasks(after))

    async def _send_manifest(self) -> int:
        """Say what shall run; the greatest number of what was sent before, of which what is unacknowledged alone is sent again."""

        async def work(tx: Transaction) -> ecs.Manifest:
            return await ecs.manifest(tx, self._instance.arn)

        manifest = await self._store.run(work)
        await self._send(
            acs.TaskManifestMessage(
                cluster_arn=self._instance.cluster_arn,
                container_instance_arn=self._instance.arn,
                message_id=str(uuid4()),
                generated_at=self._now_ms(),
                timeline=manifest.timeline,
                tasks=manifest.tasks,
            )
        )
        return manifest.timeline

    async def _send_tasks(self, after: int | None) -> int:
        """Send what is newer than `after`, or all that is unacknowledged; the greatest number sent, or `after`."""

        async def work(tx: Transaction) -> Sequence[ecs.Outgoing]:
            return await ecs.tasks_to_send(tx, self._instance.arn, after, payloads=self._payloads)

        remaining = iter(await self._store.run(work))
        greatest = after or 0
        while page := list(islice(remaining, TASKS_IN_PAYLOAD)):
            message_id = str(uuid4())
            self._unacknowledged[message_id] = page
            greatest = max(greatest, *(each.seq for each in page))
            await self._send(
                acs.PayloadMessage(
                    cluster_arn=self._instance.cluster_arn,
                    container_instance_arn=self._instance.arn,
                    message_id=message_id,
                    seq_num=greatest,
                    generated_at=self._now_ms(),
                    timeline=greatest,
                    tasks=tuple(each.task for each in page),
                )
            )
        return greatest

    async def _receive(self) -> None:
        while True:
            frame = await self._socket.receive()
            self._heard = self._clock.monotonic()
            try:
                message = acs.TO_SERVER.decode(frame)
            except UnknownMessage as error:
                log.info("message ignored", container_instance=self._instance.arn, type=error.name)
                continue
            except MalformedMessage as error:
                await self._send(acs.BadRequestException(message=str(error)))
                raise
            await self._handle(message)

    async def _handle(self, message: msgspec.Struct) -> None:
        match message:
            case acs.AckRequest():
                await self._acknowledged(message.message_id)
            case acs.IAMRoleCredentialsAckRequest():
                await self._renewed(message.message_id)
            case acs.NackRequest():
                log.warning("agent refuses", container_instance=self._instance.arn, reason=message.reason)
            case acs.TaskStopVerificationMessage():
                async with self._store.snapshot() as tx:
                    stop = await ecs.tasks_to_stop(tx, self._instance.arn, message.stop_candidates)
                await self._send(
                    acs.TaskStopVerificationAck(
                        message_id=message.message_id, generated_at=self._now_ms(), stop_tasks=stop
                    )
                )
            case _:
                pass

    async def _acknowledged(self, message_id: str) -> None:
        told = self._unacknowledged.pop(message_id, None)
        if not told:
            return

        async def work(tx: Transaction) -> None:
            await ecs.mark_acked(tx, self._instance.arn, told)

        await self._store.run(work)

    async def _renewed(self, message_id: str) -> None:
        unrenewed = self._renewals.pop(message_id, None)
        if unrenewed is None:
            return  # of a payload, which has an acknowledgement of its own, or of a renewal that was sent again
        unrenewed.message_ids.discard(message_id)
        if unrenewed.message_ids:
            return

        async def work(tx: Transaction) -> None:
            await ecs.credentials_renewed(tx, self._instance.arn, unrenewed.renewal)

        await self._store.run(work)

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._timers.heartbeat)
            if self._clock.monotonic() - self._heard > self._timers.silence:
                log.info("agent is silent", container_instance=self._instance.arn)
                return
            await self._send(acs.HeartbeatMessage(message_id=str(uuid4()), healthy=True))

    async def _refresh_credentials(self) -> None:
        if self._wants_credentials:
            await self._send_credentials(None)
        while True:
            await asyncio.sleep(self._timers.credentials)
            await self._send_credentials(self._clock.now() + ecs.REFRESH_BEFORE)

    async def _send_credentials(self, before: datetime | None) -> None:
        """Send fresh ones in place of those that end before a time, or of all; what was sent before counts no more."""
        async with self._store.snapshot() as tx:
            renewals = await ecs.credentials_to_refresh(tx, self._instance.arn, before, payloads=self._payloads)
        self._renewals.clear()
        for renewal in renewals:
            messages = [msgspec.structs.replace(each, message_id=str(uuid4())) for each in renewal.messages]
            unrenewed = _Unrenewed(renewal, {each.message_id for each in messages})
            self._renewals.update(dict.fromkeys(unrenewed.message_ids, unrenewed))
            for message in messages:
                await self._send(message)

    async def _send(self, message: msgspec.Struct) -> None:
        await self._socket.send(acs.TO_AGENT.encode(message))

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
