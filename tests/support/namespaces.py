"""Network namespaces that play the host, so that no test touches the real host's routes, links or firewall.

They have no name anywhere: a thread holds each, so they are gone with the test process however it ends.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from roadstead.agent.host.network.netlink import Netlink, RouteEntry
from roadstead.agent.host.network.syscalls import CLONE_NEWNET, THREAD_NAMESPACE, enter_network, unshare

Result = TypeVar("Result")

UPLINK = "eth0"
HOST_ADDRESS = "192.0.2.2/24"
OUTSIDE_ADDRESS = "192.0.2.1/24"


class PlayedHost:
    """A network namespace with its loopback up. What runs "on the host" runs through one of these methods."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="played-host")
        self._thread.submit(unshare, CLONE_NEWNET).result()
        self._descriptor = self._thread.submit(os.open, THREAD_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC).result()
        self.call(self._loopback_up)

    @property
    def path(self) -> Path:
        """The namespace, for setns by anybody while this object lives."""
        return Path(f"/proc/{os.getpid()}/fd/{self._descriptor}")

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run a function there (in one long-lived thread) and give its result."""
        return self._thread.submit(function, *arguments).result()

    def netlink(self, function: Callable[[Netlink], Result]) -> Result:
        """Run a function there on a Netlink of the namespace."""

        def work() -> Result:
            netlink = Netlink()
            try:
                return function(netlink)
            finally:
                netlink.close()

        return self.call(work)

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end, with its output as text."""
        options = {"capture_output": True, "text": True, "check": False, "timeout": 60, **options}
        return self.call(lambda: subprocess.run(list(command), **options))

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a process there; the caller ends it."""
        return self.call(lambda: subprocess.Popen[bytes](list(command), **options))

    def run_async(self, main: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run a coroutine there on an event loop of its own, in a new thread, and give its result."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="played-host-loop") as thread:

            def work() -> Result:
                enter_network(self.path)
                return asyncio.run(main())

            return thread.submit(work).result()

    def close(self) -> None:
        """End the thread; the namespace goes when nothing else is in it."""
        self._thread.shutdown(wait=True)
        os.close(self._descriptor)

    def __enter__(self) -> PlayedHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _loopback_up() -> None:
        netlink = Netlink()
        try:
            netlink.set_link("lo", up=True)
        finally:
            netlink.close()


@contextmanager
def played_host() -> Generator[PlayedHost]:
    """A host with a loopback and nothing else."""
    with PlayedHost() as host:
        yield host


@contextmanager
def played_host_with_uplink() -> Generator[tuple[PlayedHost, PlayedHost]]:
    """A host with eth0 (192.0.2.2/24) and a default route to 192.0.2.1, and the outside that answers there."""
    with PlayedHost() as host, PlayedHost() as outside:
        descriptor = os.open(outside.path, os.O_RDONLY)
        try:
            host.netlink(lambda netlink: netlink.add_veth(UPLINK, far_name=UPLINK, far_namespace=descriptor))
        finally:
            os.close(descriptor)
        for place, address in ((host, HOST_ADDRESS), (outside, OUTSIDE_ADDRESS)):
            place.netlink(lambda netlink, address=address: _configure(netlink, address))
        default = RouteEntry(IPv4Network("0.0.0.0/0"), "unicast", link=UPLINK, via=_gateway())
        host.netlink(lambda netlink: netlink.add_route(default))
        yield host, outside


def _configure(netlink: Netlink, address: str) -> None:
    link = netlink.link(UPLINK)
    assert link is not None
    netlink.set_link(UPLINK, up=True)
    netlink.add_address(link.index, address)


def _gateway() -> IPv4Address:
    return IPv4Network(OUTSIDE_ADDRESS, strict=False).network_address + 1
