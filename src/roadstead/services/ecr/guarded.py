"""A repository as IAM decides about it: its ARN, its tags, and the policies of the repository and of its registry.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html and registry-permissions.html.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import select

from roadstead.access.resource import Resource, resource_tags
from roadstead.core.policy.merge import merged_policy
from roadstead.kernel.arn import Arn
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.registries import Registry, Setting, read_registry
from roadstead.services.ecr.tables import place, repositories, within_place
from roadstead.store import Lookup, Transaction

REGISTRY_ACTIONS = frozenset({"ecr:BatchImportUpstreamImage", "ecr:CreateRepository", "ecr:ReplicateImage"})
"""The actions that registry policies of the old scope (V1) are asked about."""

_GUARD = Lookup(select(repositories.c.tags, repositories.c.policy).where(within_place(repositories)))


async def guarded_repository(
    tx: Transaction, key: RepositoryKey, action: str = "", *, policy: str | None = None
) -> Resource:
    """The repository, which need not exist, with its tags and policies; `policy` stands for the repository's own, if it is given.

    `action` makes a difference where it is one of REGISTRY_ACTIONS.
    """
    registry = await read_registry(tx, key.account, key.region)
    rows = await tx.look_up(_GUARD, **place(key))
    tags: Mapping[str, str] = {}
    if rows:
        tags = msgspec.convert(rows[0][0], dict[str, str])
        policy = rows[0][1] if policy is None else policy
    return guarded(key.arn, tags, policy, _policy_of(registry, action))


async def guarded_registry(tx: Transaction, account: str, region: str) -> Resource:
    """What is decided on `*`, with the registry's policy."""
    registry = await read_registry(tx, account, region)
    return Resource("*", policy=_policy_of(registry))


def guarded(arn: Arn, tags: Mapping[str, str], *policies: str | None) -> Resource:
    """A resource with these tags, which `ecr:ResourceTag/…` names too, and these policies together."""
    texts = tuple(text for text in policies if text)
    keys = {**resource_tags(tags), **{f"{arn.service}:ResourceTag/{key}": value for key, value in tags.items()}}
    if not texts:
        return Resource(arn, keys)
    return Resource(arn, keys, texts[0] if len(texts) == 1 else merged_policy(texts))


def _policy_of(registry: Registry, action: str = "") -> str | None:
    asked = action in REGISTRY_ACTIONS or registry.setting(Setting.REGISTRY_POLICY_SCOPE) == "V2"
    return registry.policy if asked else None
