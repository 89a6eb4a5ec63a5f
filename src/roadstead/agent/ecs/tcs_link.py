"""The agent's end of the telemetry link: health of containers, and metrics of tasks, every twenty seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar
from uuid import uuid4

import structlog
from websockets.asyncio.client import ClientConnection

from roadstead.agent.client import ApiClient, connect_link, link_url
from roadstead.agent.ecs.engine import Engine
from roadstead.agent.ecs.reconnecting import keep_connected
from roadstead.agent.ecs.records import TaskRecord
from roadstead.agent.ecs.registration import AGENT_HASH, AGENT_VERSION, Registration
from roadstead.agent.ecs.telemetry import Sampler, health_of
from roadstead.wire import tcs
from roadstead.wire.envelope import MalformedMessage, UnknownMessage

log = structlog.get_logger(__name__)
_ACK_PATIENCE = 60.0
T = TypeVar("T")


class TcsLink:
    """Publishes until cancelled. `interval` is in seconds."""

    def __init__(
        self,
        api: ApiClient,
        registration: Registration,
        engine: Engine,
        sampler: Sampler,
        *,
        interval: float = tcs.PUBLISH_INTERVAL,
    ) -> None:
        self._api = api
        self._registration = registration
        self._engine = engine
        self._sampler = sampler
        self._interval = interval

    async def run(self) -> None:
        """Stay connected."""
        await self._engine.ready()
        await keep_connected("tcs", self._session, failed=self._registration.forget_endpoints)

    async def _session(self) -> None:
        endpoints = await self._registration.endpoints()
        query = {
            "cluster": self._registration.cluster,
            "containerInstance": self._registration.arn,
            "agentVersion": AGENT_VERSION,
            "agentHash": AGENT_HASH,
            "dockerVersion": "containerd",
        }
        url = link_url(endpoints.telemetry_endpoint or endpoints.endpoint, "/ws", query)
        async with connect_link(url, self._api.credentials, self._api.region) as connection:
            log.info("link is up", link="tcs")
            publishing = asyncio.create_task(self._publish(connection))
            receiving = asyncio.create_task(self._receive(connection))
            try:
                await asyncio.wait([publishing, receiving], return_when=asyncio.FIRST_COMPLETED)
            finally:
                publishing.cancel()
                receiving.cancel()
                outcomes = await asyncio.gather(publishing, receiving, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    raise outcome

    async def _publish(self, connection: ClientConnection) -> None:
        while True:
            records = list(self._engine.records())
            health = tuple(each for record in records if (each := health_of(record)) is not None)
            for page, last in _pages(health):
                request = tcs.PublishHealthRequest(
                    metadata=tcs.HealthMetadata(
                        cluster=self._registration.cluster,
                        container_instance=self._registration.arn,
                        message_id=str(uuid4()),
                        fin=last,
                    ),
                    tasks=tuple(page),
                    timestamp=self._sampler.now(),
                )
                await connection.send(tcs.TO_SERVER.encode(request))
            await self._publish_metrics(connection, records)
            await self._engine.health_changed(self._interval)

    async def _publish_metrics(self, connection: ClientConnection, records: Sequence[TaskRecord]) -> None:
        metrics = await self._sampler.metrics(records)
        for page, last in _pages(metrics) or [((), True)]:
            request = tcs.PublishMetricsRequest(
                metadata=tcs.MetricsMetadata(
                    cluster=self._registration.cluster,
                    container_instance=self._registration.arn,
                    message_id=str(uuid4()),
                    idle=not metrics,
                    fin=last,
                ),
                task_metrics=tuple(page),
                timestamp=self._sampler.now(),
            )
            await connection.send(tcs.TO_SERVER.encode(request))

    async def _receive(self, connection: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(max(_ACK_PATIENCE, 3 * self._interval)):
                frame = await connection.recv()
            try:
                message = tcs.TO_AGENT.decode(frame)
            except (UnknownMessage, MalformedMessage) as error:
                log.info("message ignored", error=str(error))
                continue
            match message:
                case tcs.StopTelemetrySessionMessage():
                    return
                case tcs.BadRequestException() | tcs.InvalidParameterException() | tcs.ServerException():
                    log.warning("telemetry refused", message_type=type(message).__name__, message=message.message)
                case _:
                    pass


def _pages(items: Sequence[T]) -> list[tuple[Sequence[T], bool]]:
    size = tcs.TASKS_IN_MESSAGE
    return [(items[start : start + size], start + size >= len(items)) for start in range(0, len(items), size)]
