"""Which registry an image reference names."""

from __future__ import annotations

from roadstead.core.oci.ecr_hosts import EcrRegistry, registry_of_host

__all__ = ["EcrRegistry", "ecr_registry", "registry_host"]


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
    return registry_of_host(host)
