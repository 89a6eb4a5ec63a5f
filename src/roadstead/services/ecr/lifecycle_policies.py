"""Lifecycle policies: PutLifecyclePolicy, GetLifecyclePolicy, DeleteLifecyclePolicy. `lifecycle_runs` carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from roadstead.core.imagepolicy.document import InvalidLifecyclePolicy, parse_lifecycle_policy
from roadstead.core.imagepolicy.rules import Rule
from roadstead.services.ecr.errors import (
    InvalidParameterException,
    LifecyclePolicyNotFoundException,
    RepositoryNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.quotas import quota
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.tables import repositories, within
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        DeleteLifecyclePolicyRequestTypeDef,
        GetLifecyclePolicyRequestTypeDef,
        PutLifecyclePolicyRequestTypeDef,
    )


@dataclass(frozen=True, slots=True)
class LifecyclePolicy:
    """A repository's policy, and when it was last evaluated."""

    text: str
    evaluated_at: datetime | None


@operation("ecr:PutLifecyclePolicy", resources=repository_resource)
async def put_lifecycle_policy(ctx: Context, request: PutLifecyclePolicyRequestTypeDef) -> Response:
    """Give a repository a lifecycle policy, or another one; it is evaluated soon (API reference: PutLifecyclePolicy)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    text = request["lifecyclePolicyText"]
    checked_rules(ctx, text)
    await _write(ctx, key, text)
    return {"registryId": key.account, "repositoryName": key.name, "lifecyclePolicyText": text}


@operation("ecr:GetLifecyclePolicy", resources=repository_resource, reads=True)
async def get_lifecycle_policy(ctx: Context, request: GetLifecyclePolicyRequestTypeDef) -> Response:
    """The policy as it was put (API reference: GetLifecyclePolicy)."""
    key = repository_key(ctx, request)
    return _described(key, await require_lifecycle_policy(ctx.tx, key))


@operation("ecr:DeleteLifecyclePolicy", resources=repository_resource)
async def delete_lifecycle_policy(ctx: Context, request: DeleteLifecyclePolicyRequestTypeDef) -> Response:
    """Take the policy away (API reference: DeleteLifecyclePolicy)."""
    key = repository_key(ctx, request)
    policy = await require_lifecycle_policy(ctx.tx, key)
    await _write(ctx, key, None)
    return _described(key, policy)


async def require_lifecycle_policy(tx: Transaction, key: RepositoryKey) -> LifecyclePolicy:
    """The policy; raises RepositoryNotFoundException, LifecyclePolicyNotFoundException."""
    columns = (repositories.c.lifecycle_policy, repositories.c.lifecycle_evaluated_at)
    row = (await tx.execute(select(*columns).where(within(repositories, key)))).one_or_none()
    if row is None:
        raise RepositoryNotFoundException.of(key)
    if row.lifecycle_policy is None:
        raise LifecyclePolicyNotFoundException.of(key)
    return LifecyclePolicy(row.lifecycle_policy, row.lifecycle_evaluated_at)


def checked_rules(ctx: Context, text: str) -> tuple[Rule, ...]:
    """The rules of a policy; raises InvalidParameterException in ECR's words."""
    try:
        return parse_lifecycle_policy(text, max_rules=quota(ctx.deployment, "LifecyclePolicyRules"))
    except InvalidLifecyclePolicy as error:
        raise InvalidParameterException.at(
            "LifecyclePolicyText", f"Lifecycle policy validation failure: {error}"
        ) from error


async def _write(ctx: Context, key: RepositoryKey, text: str | None) -> None:
    due_at = None if text is None else ctx.clock.now()
    changes = {"lifecycle_policy": text, "lifecycle_due_at": due_at, "lifecycle_evaluated_at": None}
    await ctx.tx.execute(update(repositories).where(within(repositories, key)).values(**changes))
    emit_repository(ctx.tx, key, "lifecycle")


def _described(key: RepositoryKey, policy: LifecyclePolicy) -> Response:
    described: Response = {
        "registryId": key.account,
        "repositoryName": key.name,
        "lifecyclePolicyText": policy.text,
    }
    if policy.evaluated_at is not None:
        described["lastEvaluatedAt"] = policy.evaluated_at
    return described
