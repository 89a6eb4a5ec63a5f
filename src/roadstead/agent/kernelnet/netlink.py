"""pyroute2's rtnetlink, whose methods are generated and untyped: the looseness is declared here, once."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator
from typing import Any, cast

from pyroute2 import IPRoute  # pyright: ignore[reportMissingTypeStubs]
from pyroute2.netlink.exceptions import NetlinkError  # pyright: ignore[reportMissingTypeStubs]


@contextlib.contextmanager
def open_route() -> Generator[Any]:
    """An rtnetlink socket of the calling thread's namespace. What a call fails with leaves the block as an OSError."""
    try:
        with IPRoute() as route:
            yield cast("Any", route)
    except NetlinkError as error:
        code = cast("int", error.code)  # pyright: ignore[reportUnknownMemberType]
        raise OSError(code if code > 0 else errno.EINTR, f"netlink: {error}") from error


@contextlib.contextmanager
def tolerating(*codes: int) -> Generator[None]:
    """Let pass the netlink errors of these errno codes, inside of `open_route`: what was to be done is done already."""
    try:
        yield
    except NetlinkError as error:
        if cast("Any", error).code not in codes:
            raise


def link_index(route: Any, name: str) -> int:
    """The index of the interface of this name; raises OSError (ENODEV)."""
    found = route.link_lookup(ifname=name)
    if not found:
        raise OSError(errno.ENODEV, f"no interface {name}")
    return int(found[0])


def add_address(route: Any, index: int, address: str, prefix: int) -> None:
    """Give an interface an address, unless it has it."""
    with tolerating(errno.EEXIST):
        route.addr("add", index=index, address=address, prefixlen=prefix)
