"""Names of kernel objects. Every one carries the deployment's tag, so that deployments share a host and free only their own."""

from __future__ import annotations

import re
from base64 import b32encode
from enum import StrEnum
from hashlib import sha256

_TAG = re.compile(r"[0-9a-f]{6}")
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LINK = re.compile(r"(?P<role>[a-z])(?P<tag>[0-9a-f]{6})[a-z2-7]{8}")

POOL = "pool"
"""The namespace that the Fargate pool's agent finds its interfaces in."""


class InvalidName(ValueError):
    """The text can't name a kernel object of ours."""


class LinkRole(StrEnum):
    """What an interface of ours is for: the first letter of its name."""

    UPLINK = "u"
    BRIDGE = "b"
    PORT = "p"
    INTERFACE = "e"


def check_tag(tag: str) -> str:
    """`tag` itself; raises InvalidName unless it is six lower-case hexadecimal characters."""
    if not _TAG.fullmatch(tag):
        raise InvalidName(f"not a deployment's tag: {tag!r}")
    return tag


def is_namespace_name(name: str) -> bool:
    """Whether `name` is one plain file name: lower-case letters, digits, dashes."""
    return _NAMESPACE.fullmatch(name) is not None


def check_namespace(name: str) -> str:
    """`name` itself; raises InvalidName unless it can name a namespace."""
    if not is_namespace_name(name):
        raise InvalidName(f"not a namespace's name: {name!r}")
    return name


def link_name(role: LinkRole, tag: str, identity: str) -> str:
    """The interface name, 15 characters, that stands for `identity` (a resource's id): role, tag, 40 bits of its SHA-256."""
    return f"{role.value}{tag}{b32encode(sha256(identity.encode()).digest()[:5]).decode().lower()}"


def link_role(tag: str, name: str) -> LinkRole | None:
    """What the interface `name` is for; None when it isn't this deployment's."""
    match = _LINK.fullmatch(name)
    if match is None or match["tag"] != tag or match["role"] not in set(LinkRole):
        return None
    return LinkRole(match["role"])


def table_name(tag: str) -> str:
    """The name of this deployment's nftables tables."""
    return f"rs-{tag}"


def router_mac(identity: str) -> str:
    """A locally administered MAC address that stays the same for `identity`, so that neighbours' caches stay right."""
    digest = sha256(identity.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x0A, *digest[:5]))


def route_metric(tag: str) -> int:
    """The metric of this deployment's host routes. A route has no name: its metric carries the tag."""
    return 0x52_000000 | int(tag, 16)


def unreachable_metric(tag: str) -> int:
    """The metric of this deployment's `unreachable` routes: behind `route_metric`, so they count only where no route is."""
    return 0x55_000000 | int(tag, 16)
