"""Repository policies: SetRepositoryPolicy, GetRepositoryPolicy, DeleteRepositoryPolicy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from roadstead.access.errors import AccessDenied
from roadstead.services.ecr.errors import (
    InvalidParameterException,
    RepositoryNotFoundException,
    RepositoryPolicyNotFoundException,
)
from roadstead.services.ecr.guarded import guarded_repository
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.policy_texts import check_repository_policy
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.tables import repositories, within
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        DeleteRepositoryPolicyRequestTypeDef,
        GetRepositoryPolicyRequestTypeDef,
        SetRepositoryPolicyRequestTypeDef,
    )


@operation("ecr:SetRepositoryPolicy", resources=repository_resource)
async def set_repository_policy(ctx: Context, request: SetRepositoryPolicyRequestTypeDef) -> Response:
    """Give a repository a policy, or another one (API reference: SetRepositoryPolicy).

    Without `force`, a policy after which the caller could not set the next one is refused.
    """
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    text = request["policyText"]
    check_repository_policy(text, key.arn.service)
    if not request.get("force", False):
        await _check_not_locked_out(ctx, key, text)
    await _write(ctx, key, text)
    return _described(key, text)


@operation("ecr:GetRepositoryPolicy", resources=repository_resource, reads=True)
async def get_repository_policy(ctx: Context, request: GetRepositoryPolicyRequestTypeDef) -> Response:
    """The policy as it was set (API reference: GetRepositoryPolicy)."""
    key = repository_key(ctx, request)
    return _described(key, await _require_policy(ctx, key))


@operation("ecr:DeleteRepositoryPolicy", resources=repository_resource)
async def delete_repository_policy(ctx: Context, request: DeleteRepositoryPolicyRequestTypeDef) -> Response:
    """Take the policy away (API reference: DeleteRepositoryPolicy)."""
    key = repository_key(ctx, request)
    text = await _require_policy(ctx, key)
    await _write(ctx, key, None)
    return _described(key, text)


async def _check_not_locked_out(ctx: Context, key: RepositoryKey, text: str) -> None:
    try:
        await ctx.authorise(
            f"{ctx.service or 'ecr'}:SetRepositoryPolicy", [await guarded_repository(ctx.tx, key, policy=text)]
        )
    except AccessDenied as error:
        raise InvalidParameterException.at(
            "policyText",
            "The policy would keep you from setting another one: set it with force",
        ) from error


async def _require_policy(ctx: Context, key: RepositoryKey) -> str:
    row = (await ctx.tx.execute(select(repositories.c.policy).where(within(repositories, key)))).one_or_none()
    if row is None:
        raise RepositoryNotFoundException.of(key)
    if row.policy is None:
        raise RepositoryPolicyNotFoundException.of(key)
    return str(row.policy)


async def _write(ctx: Context, key: RepositoryKey, text: str | None) -> None:
    await ctx.tx.execute(update(repositories).where(within(repositories, key)).values(policy=text))
    emit_repository(ctx.tx, key, "policy")


def _described(key: RepositoryKey, text: str) -> Response:
    return {"registryId": key.account, "repositoryName": key.name, "policyText": text}
