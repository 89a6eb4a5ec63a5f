"""A thread that lives in one network namespace: netlink, nftables, sysctls and sockets of that namespace, off the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from roadstead.agent.host.network.netlink import Netlink
from roadstead.agent.host.network.nft import Nft
from roadstead.agent.host.network.syscalls import enter_network

Result = TypeVar("Result")

_SYSCTLS = Path("/proc/sys")
_BACKLOG = 512


class Inside:
    """What can be done inside a namespace; made and used by its worker's thread only."""

    def __init__(self) -> None:
        self.netlink = Netlink()
        self._nft: Nft | None = None

    @property
    def nft(self) -> Nft:
        """Nftables of this namespace; raises NftError when libnftables is missing."""
        if self._nft is None:
            self._nft = Nft()
        return self._nft

    def sysctl(self, key: str) -> str | None:
        """A sysctl's value by its path below /proc/sys, None when this kernel doesn't have it."""
        try:
            return (_SYSCTLS / key).read_text().strip()
        except FileNotFoundError:
            return None

    def set_sysctl(self, key: str, value: str) -> None:
        """Set a sysctl of this namespace; raises OSError."""
        (_SYSCTLS / key).write_text(value)

    def listen(self, address: IPv4Address, port: int) -> socket.socket:
        """A listening TCP socket in this namespace, usable from any thread."""
        listener = _bound(socket.SOCK_STREAM, address, port)
        listener.listen(_BACKLOG)
        return listener

    def datagrams(self, address: IPv4Address, port: int) -> socket.socket:
        """A bound UDP socket in this namespace, usable from any thread."""
        return _bound(socket.SOCK_DGRAM, address, port)

    def close(self) -> None:
        """Close the sockets to the kernel."""
        self.netlink.close()
        if self._nft is not None:
            self._nft.close()


def _bound(kind: socket.SocketKind, address: IPv4Address, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((str(address), port))
    except OSError:
        bound.close()
        raise
    return bound


class NamespaceWorker:
    """Runs functions in a namespace, one at a time, in a thread of its own; the calling thread's namespace is never switched.

    Without a path it stays in the namespace of the thread that first calls it: the host's.
    """

    def __init__(self, path: Path | None, name: str) -> None:
        self._path = path
        self._inside: Inside | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"netns-{name}")

    async def run(self, function: Callable[[Inside], Result]) -> Result:
        """Run `function` there and give its result; raises what it raises, and OSError when the namespace can't be entered."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._call, function)

    async def close(self) -> None:
        """End the thread; it no longer holds the namespace."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._leave)
        self._thread.shutdown(wait=True)

    def retire(self) -> None:
        """End the thread after the work that waits for it, without waiting."""
        self._thread.submit(self._leave)
        self._thread.shutdown(wait=False)

    def _call(self, function: Callable[[Inside], Result]) -> Result:
        if self._inside is None:
            if self._path is not None:
                enter_network(self._path)
            self._inside = Inside()
        return function(self._inside)

    def _leave(self) -> None:
        if self._inside is not None:
            self._inside.close()
            self._inside = None
