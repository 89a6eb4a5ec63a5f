"""The host watch stream: websockets at /_roadstead/hosts/{host}/watch (`wire.hosts`)."""

from __future__ import annotations

import asyncio
import re

import msgspec
import structlog

from roadstead.agentlink.handshake import Door, Opening, Refused, admit
from roadstead.agentlink.links import Links
from roadstead.agentlink.presence import Presence
from roadstead.agentlink.socket import GOING_AWAY, Disconnected, Receive, Scope, Send, Socket
from roadstead.kernel.arn import Arn
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.hosts import api as hosts
from roadstead.store import Store, StoreError
from roadstead.wire.hosts import BookmarkFrame, Frame, ListFrame

log = structlog.get_logger("agentlink.hosts")

WATCH = "roadstead:WatchHostResources"
_PATH = re.compile(r"/_roadstead/hosts/(?P<host>[A-Za-z0-9_.-]{1,128})/watch/?")


class HostEdge:
    """An ASGI application for websockets. `server` is what streams are recorded under; `look` is how often, in seconds,
    the store is looked at without a wake-up.
    """

    def __init__(self, store: Store, door: Door, *, server: Presence, look: float = 30.0) -> None:
        self._store = store
        self._door = door
        self._look = look
        self.links: Links[WatchSession] = Links(store, server, came=hosts.host_connected, went=hosts.host_gone)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one host until either end closes."""
        socket = Socket(scope, receive, send)
        host = _PATH.fullmatch(scope["path"])

        async def check(opening: Opening) -> tuple[str, int | None]:
            if host is None:
                raise Refused(404, "BadRequestException", "the path names no host")
            return host["host"], await _allowed(opening, host["host"])

        try:
            watched = await admit(socket, self._door, WATCH, check)
            if watched is None:
                return
            await socket.accept()
            await self._serve(socket, *watched)
        except Disconnected:
            return
        except StoreError as error:
            log.warning("link ends", error=str(error) or type(error).__name__)
            await socket.close(GOING_AWAY)

    async def _serve(self, socket: Socket, host: str, revision: int | None) -> None:
        session = WatchSession(socket, self._store, host, revision, self._look)
        log.info("host connected", host=host, revision=revision)
        last = await self.links.serve(host, session)
        log.info("host gone", host=host, replaced=not last)


class WatchSession:
    """Tells one host what changed, in the order of revisions."""

    def __init__(self, socket: Socket, store: Store, host: str, revision: int | None, look: float) -> None:
        self._socket = socket
        self._store = store
        self._host = host
        self._revision = revision
        self._look = look

    async def run(self) -> None:
        """Until the host is gone or `close`."""
        jobs = [asyncio.create_task(self._push()), asyncio.create_task(self._receive())]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            for job in done:
                if (error := job.exception()) is not None and not isinstance(error, Disconnected):
                    raise error
        except (StoreError, hosts.UnknownHost) as error:
            log.warning("watch ends", host=self._host, error=str(error))
            await self.close("the server can't serve this stream now")
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def close(self, reason: str) -> None:
        """End the stream; the host opens it again behind its revision."""
        await self._socket.close(GOING_AWAY, reason)

    async def _push(self) -> None:
        with self._store.subscribe(hosts.RESOURCE_TOPIC, hosts.STATUS_TOPIC) as wakeups:
            while True:
                async with self._store.snapshot() as tx:
                    frames = await hosts.changes_since(tx, self._host, self._revision)
                for frame in frames:
                    await self._send(frame)
                if not await wakeups.wait(self._look):
                    await self._send(BookmarkFrame(revision=self._revision or 0))

    async def _send(self, frame: Frame) -> None:
        await self._socket.send(msgspec.json.encode(frame).decode())
        if isinstance(frame, ListFrame) or self._revision is None or frame.revision > self._revision:
            self._revision = frame.revision

    async def _receive(self) -> None:
        while True:
            await self._socket.receive()


async def _allowed(opening: Opening, host: str) -> int | None:
    """The revision that the signer resumes from, once it may watch the host; raises Refused and AccessDenied."""
    arn = Arn(service="roadstead", region=opening.region, account=INTERNAL_ACCOUNT, resource=f"host/{host}")
    await opening.require(WATCH, str(arn))
    known = await hosts.host_by_id(opening.tx, host)
    if known is None or known.owner != str(opening.principal.identity_arn):
        raise Refused(404, "HostNotFoundException", f"Host {host} not found.")
    text = opening.query.get("revision")
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Refused(400, "BadRequestException", f"{text!r} is no revision") from None
