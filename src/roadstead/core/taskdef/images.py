"""Which registry an image reference names."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?:amazonaws\.com(?:\.cn)?|on\.aws|localhost(?::\d+)?)"
)


@dataclass(frozen=True, slots=True)
class EcrRegistry:
    """A private ECR registry."""

    account: str
    region: str


def registry_host(image: str) -> str:
    """The registry's host of an image reference: `docker.io` when it names none."""
    first, slash, _ = image.partition("/")
    return first if slash and (first == "localhost" or "." in first or ":" in first) else "docker.io"


def ecr_registry(image: str, *, default_host: str, default: EcrRegistry) -> EcrRegistry | None:
    """The ECR registry of an image, or None when it comes from elsewhere.

    `default_host` (`localhost`), at any port, is the short name of the `default` registry: each server of a deployment has its own port.
    """
    host = registry_host(image)
    if host.partition(":")[0] == default_host:
        return default
    match = _ECR.fullmatch(host)
    return EcrRegistry(account=match["account"], region=match["region"]) if match else None
