"""Settings of a deployment: what `roadstead up` was told, and fixed names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
DEFAULT_LISTEN = "127.0.0.1:4566"
DEFAULT_GC_GRACE = 24 * 3600
"""Seconds that the registry keeps content which nothing refers to."""
PARTITION = "aws"

INTERNAL_ACCOUNT = "999999999999"
"""The account that owns the Fargate pool and the hosts; no user principal lives in it."""

GATEWAY_ADDRESS = "169.254.170.3"
"""Where every VPC finds the API (link-local, plain HTTP)."""

CREDENTIALS_ADDRESS = "169.254.170.2"
"""Where a task finds its credentials and metadata."""

RESOLVER_ADDRESS = "169.254.169.253"
"""Where every VPC finds DNS (and at its base address plus two)."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a registry of pull through cache rules is reached: a base URL."""

    url: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and a password or access token for a registry."""

    username: str
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PullThrough:
    """What pull through cache rules may use beside the registries that AWS knows.

    `upstreams` are registries by their host (`registry.example.com:5000`); `secrets` are credentials by the name that a rule's
    `credentialArn` has (`ecr-pullthroughcache/docker-hub`).
    """

    upstreams: Mapping[str, Upstream] = field(default_factory=dict[str, Upstream])
    secrets: Mapping[str, Credential] = field(default_factory=dict[str, Credential])


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every request of a server knows about the deployment it runs in."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 4566
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    fargate_runtime: str = "gvisor"
    registry_wildcard: bool = True
    """Whether `*.localhost` resolves here, so that every repository URI may carry account and region."""
    iam_quotas: Mapping[str, int] = field(default_factory=dict[str, int])
    """IAM's quotas that differ from AWS's defaults, by the names in its errors (`RolesPerAccount`)."""
    ecr_quotas: Mapping[str, int] = field(default_factory=dict[str, int])
    """ECR's quotas that differ from AWS's (`ImagesPerRepository`)."""
    pull_through: PullThrough = field(default_factory=PullThrough)

    @property
    def endpoint(self) -> str:
        """The base URL of the API as the host reaches it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def task_endpoint(self) -> str:
        """The base URL of the API as tasks and pods reach it."""
        return f"http://{GATEWAY_ADDRESS}:{self.port}"

    @property
    def public_registry_host(self) -> str:
        """The host of public registries, as image references name it."""
        return f"public.ecr.localhost:{self.port}"

    def registry_host(self, account: str, region: str) -> str:
        """The registry's host of an account and region, as image references name it: where names below `localhost` don't resolve, that of the
        deployment's own account and region is `localhost` itself, which names no other registry.
        """
        if not self.registry_wildcard and (account, region) == (self.account, self.region):
            return f"localhost:{self.port}"
        return f"{account}.dkr.ecr.{region}.localhost:{self.port}"
