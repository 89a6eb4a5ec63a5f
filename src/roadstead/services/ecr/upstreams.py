"""The registries that a pull through cache rule may name (user guide: "Sync an upstream registry", with its table of upstreams)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from roadstead.kernel.settings import Deployment, Upstream
from roadstead.services.ecr.errors import UnsupportedUpstreamRegistryException

ECR = "ecr"
"""A private registry, as `upstreamRegistry` calls it."""
_PRIVATE = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")


@dataclass(frozen=True, slots=True)
class KnownRegistry:
    """A registry of the API's `upstreamRegistry`: the form of its host, and whether it wants credentials."""

    host: re.Pattern[str]
    needs_credentials: bool = False


KNOWN = MappingProxyType(
    {
        "ecr-public": KnownRegistry(re.compile(r"public\.ecr\.aws")),
        "k8s": KnownRegistry(re.compile(r"registry\.k8s\.io")),
        "quay": KnownRegistry(re.compile(r"quay\.io")),
        "docker-hub": KnownRegistry(re.compile(r"registry-1\.docker\.io"), needs_credentials=True),
        "github-container-registry": KnownRegistry(re.compile(r"ghcr\.io"), needs_credentials=True),
        "azure-container-registry": KnownRegistry(re.compile(r"[a-z0-9]+\.azurecr\.io"), needs_credentials=True),
        "gitlab-container-registry": KnownRegistry(re.compile(r"registry\.gitlab\.com"), needs_credentials=True),
        "chainguard": KnownRegistry(re.compile(r"cgr\.dev"), needs_credentials=True),
    }
)
"""The upstreams of the API that are reached by HTTP. `ecr` is a registry of this deployment (`registry_here`); one of AWS, or of another
deployment, is reached through a setting, as any other one is."""


@dataclass(frozen=True, slots=True)
class RegistryHere:
    """The private registry of an account of this deployment in a region."""

    account: str
    region: str


@dataclass(frozen=True, slots=True)
class NamedRegistry:
    """What a rule's `upstreamRegistryUrl` and `upstreamRegistry` come to."""

    host: str
    name: str | None
    """`upstreamRegistry`; None for a registry that only a setting allows."""
    needs_credentials: bool = False
    here: RegistryHere | None = None


def named_registry(deployment: Deployment, url: str, name: str | None) -> NamedRegistry:
    """The registry that a request names; raises UnsupportedUpstreamRegistryException. Whether an account is there is not asked."""
    host = url.removeprefix("https://").rstrip("/").lower()
    for known, registry in KNOWN.items():
        if registry.host.fullmatch(host) and name in (None, known):
            return NamedRegistry(host, known, registry.needs_credentials)
    if host in deployment.pull_through.upstreams and (name is None or name not in KNOWN):
        return NamedRegistry(host, name)
    here = registry_here(deployment, host)
    if here is not None and name in (None, ECR):
        return NamedRegistry(host, ECR, here=here)
    raise UnsupportedUpstreamRegistryException.of(url, name)


def registry_here(deployment: Deployment, host: str) -> RegistryHere | None:
    """The registry of this deployment that a host names in AWS's form; None where a setting says that it is reached elsewhere."""
    found = None if host in deployment.pull_through.upstreams else _PRIVATE.fullmatch(host)
    return None if found is None else RegistryHere(found["account"], found["region"])


def endpoint_of(deployment: Deployment, host: str) -> Upstream:
    """Where a registry is reached: where the setting says, or at its host by TLS."""
    return deployment.pull_through.upstreams.get(host, Upstream(f"https://{host}"))
