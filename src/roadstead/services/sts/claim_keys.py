"""Which further claims of a provider's tokens are condition keys: AWS names them for some providers, as GitHub and GitLab."""

from __future__ import annotations

import re
from functools import lru_cache

from roadstead.access.action_data import condition_keys

ACTION = "sts:AssumeRoleWithWebIdentity"
_NOT_OF_PROVIDERS = ("aws:", "sts:", "iam:", "saml:")
_PLACE = re.compile(r"\$\{[A-Za-z0-9]+\}")


@lru_cache(maxsize=512)
def further_claims(provider: str) -> frozenset[str]:
    """The claims of a provider, named by its URL without the scheme, that the service authorization reference lists."""
    found: set[str] = set()
    for key in condition_keys(ACTION):
        issuer, _, claim = key.rpartition(":")
        if not key.startswith(_NOT_OF_PROVIDERS) and _fits(issuer, provider):
            found.add(claim)
    return frozenset(found)


def _fits(template: str, provider: str) -> bool:
    return re.fullmatch("[^/:]+".join(re.escape(part) for part in _PLACE.split(template)), provider) is not None
