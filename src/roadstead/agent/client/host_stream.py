"""The host watch stream and the statuses that answer it (`wire.hosts`), as the host role asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec
from websockets.exceptions import ConnectionClosed, WebSocketException

from roadstead.agent.client.api import ApiClient
from roadstead.agent.client.errors import ApiError
from roadstead.agent.client.links import LinkRefused, connect_link, link_url
from roadstead.wire.hosts import WATCH_PATH, Frame, HostResourceStatus

PING_SECONDS = 30.0
"""A server that is gone without a word, as its machine is, does not close the stream: pings tell."""


class StreamLost(OSError):
    """The stream ended or could not be opened; open it again."""


class _Answer(msgspec.Struct, frozen=True):
    pass


class HostStream:
    """One host's stream. `frames` and `report` raise StreamLost, an OSError, while the server is away."""

    def __init__(self, api: ApiClient, host: str, *, ping_seconds: float = PING_SECONDS) -> None:
        self._api = api
        self._host = host
        self._ping_seconds = ping_seconds
        self._decoder = msgspec.json.Decoder(Frame)

    async def register(self, *, hostname: str, cpu: int, memory: int, boot_id: str, version: str) -> None:
        """RegisterHost: `cpu` in CPU units, `memory` in MiB. Raises ApiError."""
        request = {
            "hostId": self._host,
            "hostname": hostname,
            "capacity": {"cpu": cpu, "memory": memory},
            "bootId": boot_id,
            "version": version,
        }
        await self._api.call("roadstead", "RegisterHost", request, _Answer)

    async def frames(self, revision: int | None) -> AsyncIterator[Frame]:
        """The frames behind a revision; without one they begin with a List."""
        query = {} if revision is None else {"revision": str(revision)}
        endpoint = self._api.endpoint
        url = link_url(endpoint, WATCH_PATH.format(host=self._host), query)
        try:
            link = connect_link(
                url, self._api.credentials, self._api.region, "roadstead", ping_seconds=self._ping_seconds
            )
            async with link as connection:
                async for frame in connection:
                    yield self._decoder.decode(frame)
        except (LinkRefused, WebSocketException, ConnectionClosed, OSError, msgspec.MsgspecError) as error:
            self._api.away(endpoint)
            raise StreamLost(str(error)) from error

    async def report(self, statuses: Sequence[HostResourceStatus]) -> None:
        """UpdateHostResourceStatus with what was observed."""
        request = {"hostId": self._host, "statuses": list(statuses)}
        try:
            await self._api.call("roadstead", "UpdateHostResourceStatus", request, _Answer)
        except ApiError as error:
            raise StreamLost(str(error)) from error
