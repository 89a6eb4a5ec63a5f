"""The agent's end of the Agent Communication Service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import structlog

from roadstead.agent.client import ApiClient, LinkRefused, connect_link, link_url
from roadstead.agent.ecs.engine import Engine
from roadstead.agent.ecs.identity import IdentityFile
from roadstead.agent.ecs.reconnecting import InstanceGone, jittered, keep_connected
from roadstead.agent.ecs.registration import AGENT_HASH, AGENT_VERSION, Registration
from roadstead.wire import acs
from roadstead.wire.envelope import MalformedMessage, UnknownMessage

log = structlog.get_logger(__name__)

Send = Callable[[msgspec.Struct], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AcsTimers:
    """Seconds; each has its own random addition, as in Amazon's agent."""

    silence: float = 60.0
    silence_jitter: float = 60.0
    reconnect: float = 1800.0
    reconnect_jitter: float = 300.0


class AcsLink:
    """Receives tasks and hands them to the engine; `run` ends only with InstanceGone or by cancellation."""

    def __init__(
        self,
        api: ApiClient,
        registration: Registration,
        identity: IdentityFile,
        engine: Engine,
        *,
        timers: AcsTimers | None = None,
    ) -> None:
        self._api = api
        self._registration = registration
        self._identity = identity
        self._engine = engine
        self._timers = timers or AcsTimers()
        self._wants_credentials = True
        self._manifest = ""

    async def run(self) -> None:
        """Stay connected."""
        await self._engine.ready()
        await keep_connected("acs", self._session, failed=self._registration.forget_endpoints)

    async def _session(self) -> None:
        endpoints = await self._registration.endpoints()
        query = {
            "clusterArn": self._registration.cluster,
            "containerInstanceArn": self._registration.arn,
            "agentHash": AGENT_HASH,
            "agentVersion": AGENT_VERSION,
            "seqNum": "1",
            "protocolVersion": str(acs.PROTOCOL_VERSION),
            "dockerVersion": "containerd",
            "sendCredentials": str(self._wants_credentials).lower(),
        }
        url = link_url(endpoints.endpoint, "/ws", query)
        try:
            async with connect_link(url, self._api.credentials, self._api.region) as connection:
                log.info("link is up", link="acs")
                self._wants_credentials = False

                async def send(message: msgspec.Struct) -> None:
                    await connection.send(acs.TO_SERVER.encode(message))

                until = asyncio.get_running_loop().time() + jittered(
                    self._timers.reconnect, self._timers.reconnect_jitter
                )
                while (left := until - asyncio.get_running_loop().time()) > 0:
                    silence = jittered(self._timers.silence, self._timers.silence_jitter)
                    try:
                        async with asyncio.timeout(min(silence, left)):
                            frame = await connection.recv()
                    except TimeoutError:
                        if silence < left:
                            raise TimeoutError("the server has been silent for too long") from None
                        return
                    if not await self._handle(frame, send):
                        return
        except LinkRefused as error:
            if (
                acs.InactiveInstanceException.__name__ in error.detail
                or acs.InvalidInstanceException.__name__ in error.detail
            ):
                raise InstanceGone(error.detail) from error
            raise

    async def _handle(self, frame: str | bytes, send: Send) -> bool:
        """Handle one message; False when the server wants the connection closed."""
        try:
            message = acs.TO_AGENT.decode(frame)
        except UnknownMessage as error:
            log.info("message ignored", type=error.name)
            return True
        except MalformedMessage as error:
            log.warning("message is malformed", error=str(error))
            return True
        match message:
            case acs.HeartbeatMessage():
                await send(acs.HeartbeatAckRequest(message_id=message.message_id))
            case acs.PayloadMessage():
                await self._payload(message, send)
            case acs.TaskManifestMessage():
                await self._take_manifest(message, send)
            case acs.TaskStopVerificationAck():
                self._verified(message)
            case acs.IAMRoleCredentialsMessage():
                await self._credentials(message, send)
            case acs.AttachTaskNetworkInterfacesMessage():
                await send(self._ack(message.cluster_arn, message.container_instance_arn, message.message_id))
            case acs.CloseMessage():
                log.info("the server closes the link", reason=message.message)
                return False
            case acs.InactiveInstanceException() | acs.InvalidInstanceException():
                raise InstanceGone(message.message)
            case _:
                log.warning("message from the server", message_type=type(message).__name__, message=str(message))
        return True

    async def _payload(self, message: acs.PayloadMessage, send: Send) -> None:
        if not message.message_id:
            log.warning("payload without a message id")
            return
        self._engine.accept(message.tasks)
        self._advance(message.timeline)
        for task in message.tasks:
            for credentials in (task.role_credentials, task.execution_role_credentials):
                if credentials is not None:
                    await send(
                        acs.IAMRoleCredentialsAckRequest(
                            message_id=message.message_id,
                            credentials_id=credentials.credentials_id,
                            expiration=credentials.expiration,
                        )
                    )
        await send(self._ack(message.cluster_arn, message.container_instance_arn, message.message_id))

    async def _take_manifest(self, message: acs.TaskManifestMessage, send: Send) -> None:
        if message.timeline <= self._identity.value.timeline:
            log.info("old manifest discarded", timeline=message.timeline, seen=self._identity.value.timeline)
            return
        self._advance(message.timeline)
        self._manifest = message.message_id
        self._engine.stop(each.task_arn for each in message.tasks if each.desired_status == "STOPPED")
        await send(self._ack(message.cluster_arn, message.container_instance_arn, message.message_id))
        if candidates := self._engine.not_in(message.tasks):
            log.info("tasks that the manifest does not name", tasks=[each.task_arn for each in candidates])
            await send(acs.TaskStopVerificationMessage(message_id=message.message_id, stop_candidates=candidates))

    def _verified(self, message: acs.TaskStopVerificationAck) -> None:
        if not message.message_id or message.message_id != self._manifest:
            log.warning("stop verification of another manifest", message_id=message.message_id)
            return
        self._manifest = ""
        self._engine.stop(each.task_arn for each in message.stop_tasks)

    async def _credentials(self, message: acs.IAMRoleCredentialsMessage, send: Send) -> None:
        if message.role_credentials is None or not self._engine.refresh(message):
            log.info("credentials for no task of ours", task=message.task_arn)
            return
        await send(
            acs.IAMRoleCredentialsAckRequest(
                message_id=message.message_id,
                credentials_id=message.role_credentials.credentials_id,
                expiration=message.role_credentials.expiration,
            )
        )

    def _advance(self, timeline: int) -> None:
        if timeline > self._identity.value.timeline:
            self._identity.update(timeline=timeline)

    @staticmethod
    def _ack(cluster: str, instance: str, message_id: str) -> acs.AckRequest:
        return acs.AckRequest(cluster=cluster, container_instance=instance, message_id=message_id)
