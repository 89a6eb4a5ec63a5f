"""Waiting for the interface with a MAC to appear in the agent's namespace: whoever provides it is not our business."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from roadstead.agent.ecs.network.rtnl import RTMGRP_LINK, LinkEvent, parse
from roadstead.agent.kernelnet import open_route, run_in_namespace

log = structlog.get_logger(__name__)

_NETLINK_ROUTE = 0
_BUFFER = 1 << 16


class InterfaceTimeout(Exception):
    """No interface with that MAC appeared in time."""


class InterfaceWatch:
    """Follows the links of one namespace. An async context manager; `wait` may be called by many at once."""

    def __init__(self, namespace: Path | None) -> None:
        self._namespace = namespace
        self._present: dict[str, LinkEvent] = {}
        self._waiting: dict[str, set[asyncio.Future[LinkEvent]]] = {}
        self._socket: socket.socket | None = None
        self._listing: asyncio.Task[None] | None = None
        self._meanwhile: list[LinkEvent] = []
        self._lost = False

    async def __aenter__(self) -> Self:
        self._socket = await run_in_namespace(self._namespace, _open_socket)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._readable)
        self._listing = loop.create_task(self._list())
        await self._listing
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait([self._listing])
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def wait(self, mac: str, deadline: float) -> LinkEvent:
        """The interface with this MAC, now or within `deadline` seconds; raises InterfaceTimeout."""
        mac = mac.lower()
        if (present := self._present.get(mac)) is not None:
            return present
        future: asyncio.Future[LinkEvent] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(mac, set())
        waiters.add(future)
        try:
            async with asyncio.timeout(deadline):
                return await future
        except TimeoutError:
            raise InterfaceTimeout(f"no interface with MAC {mac} appeared within {deadline:g} seconds") from None
        finally:
            waiters.discard(future)
            if not waiters:
                self._waiting.pop(mac, None)

    def _readable(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                # ENOBUFS: the kernel dropped notifications, so what is there must be listed anew.
                log.warning("link notifications lost", error=str(error))
                self._lost = True
                if self._listing is None or self._listing.done():
                    self._listing = asyncio.get_running_loop().create_task(self._list())
                return
            for event in parse(data):
                if self._listing is not None and not self._listing.done():
                    self._meanwhile.append(event)
                _note(self._present, event)
                self._tell(event.mac)

    def _tell(self, mac: str) -> None:
        """Give an interface that is there to those who wait for it."""
        if (present := self._present.get(mac)) is not None:
            for future in self._waiting.get(mac, ()):
                if not future.done():
                    future.set_result(present)

    async def _list(self) -> None:
        """Take what is there, and then, in order, what happened while it was listed, which the list may know or not."""
        self._lost = True
        while self._lost:
            self._lost = False
            self._meanwhile.clear()
            found = await run_in_namespace(self._namespace, _links)
            present: dict[str, LinkEvent] = {}
            for event in (*found, *self._meanwhile):
                _note(present, event)
            self._present = present
            for mac in list(self._waiting):
                self._tell(mac)
        self._meanwhile.clear()


def _note(present: dict[str, LinkEvent], event: LinkEvent) -> None:
    if event.gone:
        if (known := present.get(event.mac)) is not None and known.index == event.index:
            del present[event.mac]
    elif event.mac:
        present[event.mac] = event


def _open_socket() -> socket.socket:
    opened = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_ROUTE
    )
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.bind((0, RTMGRP_LINK))
    except BaseException:
        opened.close()
        raise
    return opened


def _links() -> list[LinkEvent]:
    with open_route() as route:
        return [
            LinkEvent(
                index=int(link["index"]),
                name=str(link.get("ifname") or ""),
                mac=str(link.get("address") or "").lower(),
                gone=False,
            )
            for link in route.get_links()
        ]
