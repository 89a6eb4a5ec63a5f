"""Repositories that come to be because somebody pushes or pulls."""

from __future__ import annotations

from roadstead.services.ecr.creation_templates import Template, template_for
from roadstead.services.ecr.errors import RepositoryNotFoundException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.quotas import RegistryLimits
from roadstead.services.ecr.repositories import Repository, find_repository, insert_repository
from roadstead.store import Transaction

CREATE_ON_PUSH = "CREATE_ON_PUSH"
PULL_THROUGH_CACHE = "PULL_THROUGH_CACHE"


async def has_create_on_push(tx: Transaction, key: RepositoryKey) -> bool:
    """Whether a push makes this repository, which is not there."""
    return await template_for(tx, key.account, key.region, key.name, CREATE_ON_PUSH) is not None


async def create_on_push(tx: Transaction, key: RepositoryKey, limits: RegistryLimits) -> Repository:
    """The repository, made by the template of its prefix unless it is there; raises RepositoryNotFoundException without a template.

    Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates.html.
    """
    found = await find_repository(tx, key)
    if found is not None:
        return found
    template = await template_for(tx, key.account, key.region, key.name, CREATE_ON_PUSH)
    if template is None:
        raise RepositoryNotFoundException.of(key)
    return await _create(tx, key, template, limits)


async def create_for_cache(tx: Transaction, key: RepositoryKey, limits: RegistryLimits) -> Repository:
    """The repository of what comes from an upstream, made by its template, or without one as CreateRepository makes it."""
    found = await find_repository(tx, key)
    if found is not None:
        return found
    template = await template_for(tx, key.account, key.region, key.name, PULL_THROUGH_CACHE)
    return await _create(tx, key, template or Template(), limits)


async def _create(tx: Transaction, key: RepositoryKey, template: Template, limits: RegistryLimits) -> Repository:
    repository = Repository(
        key=key,
        created_at=tx.clock.now(),
        mutability=template.mutability,
        scan_on_push=False,
        encryption=template.encryption_configuration,
        tags=template.tags,
    )
    policy, lifecycle = template.repository_policy or None, template.lifecycle_policy or None
    await insert_repository(tx, repository, limits, policy=policy, lifecycle_policy=lifecycle)
    return repository
