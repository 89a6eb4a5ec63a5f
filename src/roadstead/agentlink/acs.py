"""The Agent Communication Service: websockets at /ws, one session for each container instance."""

from __future__ import annotations

import structlog

from roadstead.agentlink.acs_session import AcsSession, AcsTimers
from roadstead.agentlink.handshake import Door, Opening, Refused, admit
from roadstead.agentlink.links import Links
from roadstead.agentlink.presence import Presence
from roadstead.agentlink.socket import GOING_AWAY, Disconnected, Receive, Scope, Send, Socket
from roadstead.kernel.clock import Clock
from roadstead.services.ecs import api as ecs
from roadstead.services.ecs.payloads import Payloads
from roadstead.store import Store, StoreError

log = structlog.get_logger("agentlink.acs")

POLL = "ecs:Poll"


class AcsEdge:
    """An ASGI application for websockets. `server` is what links are recorded under."""

    def __init__(
        self,
        store: Store,
        door: Door,
        payloads: Payloads,
        clock: Clock,
        *,
        server: Presence,
        timers: AcsTimers | None = None,
    ) -> None:
        self._store = store
        self._door = door
        self._payloads = payloads
        self._clock = clock
        self._timers = timers or AcsTimers()
        self.links: Links[AcsSession] = Links(store, server, came=ecs.agent_connected, went=ecs.agent_gone)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one agent until either end closes."""
        socket = Socket(scope, receive, send)
        try:
            admitted = await admit(socket, self._door, POLL, _instance_and_wish)
            if admitted is None:
                return
            await socket.accept()
            await self._serve(socket, *admitted)
        except Disconnected:
            return
        except StoreError as error:
            log.warning("link ends", error=str(error) or type(error).__name__)
            await socket.close(GOING_AWAY)

    async def _serve(self, socket: Socket, instance: ecs.InstanceRecord, wants_credentials: bool) -> None:
        session = AcsSession(
            socket,
            self._store,
            instance,
            self._payloads,
            self._clock,
            self._timers,
            wants_credentials=wants_credentials,
        )
        log.info("agent connected", container_instance=instance.arn)
        last = await self.links.serve(instance.arn, session)
        log.info("agent gone", container_instance=instance.arn, replaced=not last)


ACS_NAMES = ("clusterArn", "containerInstanceArn")
TCS_NAMES = ("cluster", "containerInstance")


async def _instance_and_wish(opening: Opening) -> tuple[ecs.InstanceRecord, bool]:
    """The instance, and whether its agent has just started: it may not remember the credentials of its tasks."""
    instance = await instance_of(opening, POLL, ACS_NAMES)
    return instance, opening.query.get("sendCredentials") == "true"


async def instance_of(opening: Opening, action: str, names: tuple[str, str]) -> ecs.InstanceRecord:
    """The container instance that a handshake names by its query, once the signer may use it; raises Refused and AccessDenied."""
    cluster, arn = (opening.query.get(name, "") for name in names)
    if not arn:
        raise Refused(400, "BadRequestException", f"{names[1]} is missing")
    await opening.require(action, ecs.guarded_arn(opening.tx, opening.principal.account, arn))
    instance = await ecs.instance_for_session(opening.tx, cluster, arn)
    if instance is None or instance.account != opening.principal.account:
        # What another account has looks like what nobody has.
        raise Refused(
            400, "InactiveInstanceException", f"There is no active container instance {arn} in cluster {cluster}."
        )
    return instance
