"""Secrets of pull through cache rules that are of no use: not of the rule's own registry, or lost since the rule was made."""

from __future__ import annotations

from roadstead.kernel.arn import Arn
from roadstead.services.ecr.upstream_client import UpstreamAccessDenied
from roadstead.services.ecr.upstream_errors import UnableToAccessSecretException


class UpstreamSecretLost(UpstreamAccessDenied):
    """The settings do not have the secret of a rule any more: its upstream is not even asked."""


def require_own_secret(account: str, region: str, arn: str) -> None:
    """Return when a secret is of this account and region, as a rule's must be; raises UnableToAccessSecretException.

    Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-creating-rule.html
    """
    secret = Arn.parse(arn)
    if (secret.account, secret.region) != (account, region):
        raise UnableToAccessSecretException.of(arn)
