"""How a registry is reached, and what is sent in the clear: nothing but what stays on this machine."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from roadstead.images.errors import Refused

_DOCKER_HUB = {"docker.io", "index.docker.io"}
_DOCKER_HUB_REGISTRY = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Place:
    """A registry: the base URL to connect to, and the host that it is asked as."""

    url: str
    host: str

    @classmethod
    def of_host(cls, host: str) -> Place:
        """The registry of a reference's host: by TLS, and in the clear on loopback."""
        name = _DOCKER_HUB_REGISTRY if host in _DOCKER_HUB else host
        scheme = "http" if is_loopback(bare_host(name)) else "https"
        return cls(f"{scheme}://{name}", name)


def bare_host(host: str) -> str:
    """A host without port and brackets, in lower case."""
    return re.sub(r":\d+$", "", host).strip("[]").lower()


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine's own, by its very form (RFC 6761 for `localhost`)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def require_private(url: str) -> str:
    """The URL, when nothing that is sent there crosses a network in the clear; raises Refused."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return url
    raise Refused(f"{url} is not asked: plain HTTP goes to this machine only")
