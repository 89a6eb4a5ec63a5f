"""The telemetry link: websockets at /tcs/ws. Health goes to the tasks; of metrics the latest sample is kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import structlog

from roadstead.agentlink.acs import TCS_NAMES, instance_of
from roadstead.agentlink.handshake import Door, admit
from roadstead.agentlink.sessions import Sessions
from roadstead.agentlink.socket import GOING_AWAY, Disconnected, Receive, Scope, Send, Socket
from roadstead.services.ecs import api as ecs
from roadstead.store import Store, StoreError, Transaction
from roadstead.wire import tcs
from roadstead.wire.envelope import MalformedMessage, UnknownMessage

log = structlog.get_logger("agentlink.tcs")

START = "ecs:StartTelemetrySession"
MOST_TASKS = 5000
"""Tasks in a round of telemetry: what a cluster may run at most on AWS."""
_STATUSES = frozenset({"HEALTHY", "UNHEALTHY", "UNKNOWN"})


@dataclass(frozen=True, slots=True)
class TcsTimers:
    """Seconds: between heartbeats, and how long an agent may say nothing."""

    heartbeat: float = 60.0
    silence: float = 120.0


class RoundTooLarge(MalformedMessage):
    """A round of telemetry has more tasks than any host runs."""


class LatestMetrics:
    """The newest sample of each task, by ARN, for as long as its agent is connected."""

    def __init__(self) -> None:
        self._by_instance: dict[str, dict[str, tcs.TaskMetric]] = {}
        self._incoming: dict[str, dict[str, tcs.TaskMetric]] = {}

    def take(self, instance: str, request: tcs.PublishMetricsRequest) -> None:
        """A page of a round; the round replaces the last one when it is complete. Raises RoundTooLarge, and the round is dropped."""
        page = self._incoming.setdefault(instance, {})
        page.update({metric.task_arn: metric for metric in request.task_metrics})
        if len(page) > MOST_TASKS:
            del self._incoming[instance]
            raise RoundTooLarge(f"a round of telemetry has at most {MOST_TASKS} tasks")
        if request.metadata is None or request.metadata.fin is not False:
            self._by_instance[instance] = self._incoming.pop(instance)

    def of_instance(self, instance: str) -> Mapping[str, tcs.TaskMetric]:
        """The tasks of an instance."""
        return self._by_instance.get(instance, {})

    def forget(self, instance: str) -> None:
        """The agent is gone."""
        self._by_instance.pop(instance, None)
        self._incoming.pop(instance, None)


class TcsEdge:
    """An ASGI application for websockets."""

    def __init__(self, store: Store, door: Door, *, timers: TcsTimers | None = None) -> None:
        self._store = store
        self._door = door
        self._timers = timers or TcsTimers()
        self._sessions: Sessions[TcsSession] = Sessions()
        self.metrics = LatestMetrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one agent until either end closes."""
        socket = Socket(scope, receive, send)
        try:
            instance = await admit(socket, self._door, START, lambda opening: instance_of(opening, START, TCS_NAMES))
            if instance is None:
                return
            await socket.accept()
            session = TcsSession(socket, self._store, instance.arn, self.metrics, self._timers)
            if await self._sessions.run(instance.arn, session, session.run):
                self.metrics.forget(instance.arn)
        except Disconnected:
            return

    async def drain(self) -> None:
        """End every session."""
        await self._sessions.drain()


class TcsSession:
    """Serves one connection that was let in."""

    def __init__(self, socket: Socket, store: Store, instance: str, metrics: LatestMetrics, timers: TcsTimers) -> None:
        self._socket = socket
        self._store = store
        self._instance = instance
        self._metrics = metrics
        self._timers = timers

    async def run(self) -> None:
        """Until the agent is gone or silent, or `close`."""
        heartbeat = asyncio.create_task(self._heartbeat(), name=f"telemetry heartbeat {self._instance}")
        try:
            await self._receive()
        except Disconnected:
            return
        except (TimeoutError, MalformedMessage, StoreError) as error:
            log.info("telemetry session ends", container_instance=self._instance, error=str(error) or "silence")
            await self.close("the session can't go on")
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def close(self, reason: str) -> None:
        """Tell the agent to connect again."""
        try:
            await self._send(tcs.StopTelemetrySessionMessage(message=reason))
        except Disconnected:
            return
        await self._socket.close(GOING_AWAY, reason)

    async def _receive(self) -> None:
        while True:
            async with asyncio.timeout(self._timers.silence):
                frame = await self._socket.receive()
            try:
                await self._take(tcs.TO_SERVER.decode(frame))
            except UnknownMessage as error:
                log.info("message ignored", container_instance=self._instance, type=error.name)
            except MalformedMessage as error:
                await self._send(tcs.BadRequestException(message=str(error)))
                raise

    async def _take(self, message: msgspec.Struct) -> None:
        match message:
            case tcs.PublishHealthRequest():
                await self._take_health(message)
                await self._send(tcs.AckPublishHealth())
            case tcs.PublishMetricsRequest():
                self._metrics.take(self._instance, message)
                await self._send(tcs.AckPublishMetric())
            case _:
                await self._send(tcs.AckPublishInstanceStatus())

    async def _take_health(self, message: tcs.PublishHealthRequest) -> None:
        health = {
            task.task_arn: {
                each.container_name: each.health_status for each in task.containers if each.health_status in _STATUSES
            }
            for task in message.tasks
        }
        if not health:
            return

        async def work(tx: Transaction) -> None:
            await ecs.task_health(tx, self._instance, health)

        await self._store.run(work)

    async def _heartbeat(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._timers.heartbeat)
                await self._send(tcs.HeartbeatMessage(healthy=True))
        except Disconnected:
            return

    async def _send(self, message: msgspec.Struct) -> None:
        await self._socket.send(tcs.TO_AGENT.encode(message))
