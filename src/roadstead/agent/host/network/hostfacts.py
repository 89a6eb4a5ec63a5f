"""Reads what the overlap decision needs of the host."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from roadstead.agent.host.network.netlink import Netlink
from roadstead.agent.host.network.overlap import HostFacts
from roadstead.agent.host.network.syscalls import THREAD_NAMESPACE

RESOLVER_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def host_facts(netlink: Netlink, resolver_files: Sequence[Path] = RESOLVER_FILES) -> HostFacts:
    """Routes of the thread's namespace and resolvers of this machine; raises OSError."""
    return HostFacts(routes=netlink.routes(), resolvers=tuple(_resolvers(resolver_files)))


@contextmanager
def routing_lock() -> Generator[None]:
    """Held by one deployment at a time in this network namespace: the lock is on the namespace itself, and leaves no file."""
    descriptor = os.open(THREAD_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _resolvers(files: Sequence[Path]) -> Iterator[IPv4Address]:
    for file in files:
        try:
            text = file.read_text(errors="replace")
        except FileNotFoundError:
            continue
        for line in text.splitlines():
            match line.split():
                case ["nameserver", address, *_]:
                    try:
                        yield IPv4Address(address)
                    except AddressValueError:
                        continue
                case _:
                    continue
