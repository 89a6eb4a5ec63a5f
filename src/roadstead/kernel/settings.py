"""Settings of a deployment: what `roadstead up` was told, and fixed names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
DEFAULT_LISTEN = "127.0.0.1:4566"
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
class Deployment:
    """What every request of a server knows about the deployment it runs in."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 4566
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    fargate_runtime: str = "gvisor"
    registry_wildcard: bool = True
    """Whether `*.localhost` resolves here, so that repository URIs may carry account and region."""
    iam_quotas: Mapping[str, int] = field(default_factory=dict[str, int])
    """IAM's quotas that differ from AWS's defaults, by the names in its errors (`RolesPerAccount`)."""

    @property
    def endpoint(self) -> str:
        """The base URL of the API as the host reaches it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def task_endpoint(self) -> str:
        """The base URL of the API as tasks and pods reach it."""
        return f"http://{GATEWAY_ADDRESS}:{self.port}"

    def registry_host(self, account: str, region: str) -> str:
        """The registry's host of an account and region, as image references name it."""
        if self.registry_wildcard:
            return f"{account}.dkr.ecr.{region}.localhost:{self.port}"
        return f"localhost:{self.port}"
