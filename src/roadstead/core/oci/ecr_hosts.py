"""Hosts of private ECR registries.

Sources: https://docs.aws.amazon.com/general/latest/gr/ecr.html (`dkr.ecr` and `dkr.ecr-fips` are IPv4, `dkr-ecr` and `dkr-ecr-fips` dual-stack) and
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html; those of China end in `.cn`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HOST = re.compile(
    r"(?P<account>[0-9]{12})\."
    r"(?:dkr\.ecr(?:-fips)?\.(?P<ipv4>[a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.(?:localhost|amazonaws\.com(?:\.cn)?)"
    r"|dkr-ecr(?:-fips)?\.(?P<dual>[a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.on\.(?:aws|amazonwebservices\.com\.cn))"
)
_LIKE_ONE = re.compile(r"[0-9]{12}\.dkr(?:[.-].*)?")
_PORT = re.compile(r":[0-9]+$")

AWS_SUFFIXES = (
    "dkr.ecr.{region}.amazonaws.com",
    "dkr.ecr-fips.{region}.amazonaws.com",
    "dkr-ecr.{region}.on.aws",
    "dkr-ecr-fips.{region}.on.aws",
)
"""What AWS's names of a region's registries end in."""


@dataclass(frozen=True, slots=True)
class EcrRegistry:
    """A private ECR registry."""

    account: str
    region: str


def registry_of_host(host: str) -> EcrRegistry | None:
    """The registry that a host names, with any port and in either case; None for every other host."""
    found = _HOST.fullmatch(_name(host))
    return None if found is None else EcrRegistry(found["account"], found["ipv4"] or found["dual"])


def is_like_ecr(host: str) -> bool:
    """Whether a host begins as those of private registries do. One that is none means no registry, least of all another account's."""
    return _LIKE_ONE.fullmatch(_name(host)) is not None


def _name(host: str) -> str:
    return _PORT.sub("", host).lower().removesuffix(".")
