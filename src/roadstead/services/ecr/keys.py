"""Names of things in a registry: repositories, tags, digests (ECR model patterns; OCI distribution 1.1, "Pulling manifests")."""

from __future__ import annotations

from dataclasses import dataclass

from roadstead.core.oci.names import (
    DIGEST_PATTERN,
    REPOSITORY_PATTERN,
    TAG_PATTERN,
    digest_of,
    is_digest,
    is_repository_name,
    is_tag,
)
from roadstead.kernel.arn import Arn

__all__ = [
    "DIGEST_PATTERN",
    "PUBLIC",
    "PUBLIC_REGION",
    "REPOSITORY_PATTERN",
    "TAG_PATTERN",
    "RepositoryKey",
    "digest_of",
    "is_digest",
    "is_repository_name",
    "is_tag",
]


PUBLIC = "public"
"""Where public registries are: a place beside the regions, and the name of none. ECR Public is one for the whole of AWS."""

PUBLIC_REGION = "us-east-1"
"""The region whose endpoint serves ECR Public, as on AWS."""


@dataclass(frozen=True, slots=True)
class RepositoryKey:
    """Which repository: its account (the registry's id), region and name. The region of a public one is PUBLIC."""

    account: str
    region: str
    name: str

    @property
    def is_public(self) -> bool:
        """Whether it is in a public registry."""
        return self.region == PUBLIC

    @property
    def arn(self) -> Arn:
        """`arn:aws:ecr:REGION:ACCOUNT:repository/NAME`, `arn:aws:ecr-public::ACCOUNT:repository/NAME` of a public one."""
        service, region = ("ecr-public", "") if self.is_public else ("ecr", self.region)
        return Arn(service=service, region=region, account=self.account, resource=f"repository/{self.name}")
