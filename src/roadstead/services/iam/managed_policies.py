"""Managed policies: CreatePolicy, GetPolicy, ListPolicies, DeletePolicy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from roadstead.access.aws_managed import PREFIX, aws_managed_policies
from roadstead.access.resource import Named
from roadstead.access.revisions import touch_account
from roadstead.access.tables import managed_policies, managed_policy_versions
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.entities import checked_policy, entity_arn, name_taken
from roadstead.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    LimitExceededException,
)
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.policy_arns import (
    ManagedPolicy,
    Usage,
    aws_policy,
    customer_policy,
    policy_resources,
    policy_view,
    read_usage,
    require_own_policy,
    require_policy,
)
from roadstead.services.iam.quotas import check_account_quota, policy_size, quota
from roadstead.services.iam.tag_rows import add_tags, drop_tags, read_tags, request_tag_keys, tag_list
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreatePolicyRequestTypeDef,
        DeletePolicyRequestTypeDef,
        GetPolicyRequestTypeDef,
        ListPoliciesRequestTypeDef,
    )


async def _created(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    return [entity_arn(ctx.account, "policy", request.get("Path", "/"), request["PolicyName"])]


def checked_managed_policy(ctx: Context, document: str) -> None:
    """Return when a text can be a managed policy; raises MalformedPolicyDocument and LimitExceeded."""
    checked_policy(document)
    limit = quota(ctx.deployment, "PolicySize")
    if policy_size(document) > limit:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {limit}")


async def _in_full(ctx: Context, policy: ManagedPolicy) -> dict[str, object]:
    tags = {} if policy.from_aws else await read_tags(ctx.tx, ctx.account, "policy", policy.name)
    return {
        **policy_view(policy, await read_usage(ctx, policy.arn)),
        **({"Description": policy.description} if policy.description else {}),
        "Tags": tag_list(tags),
    }


@operation("iam:CreatePolicy", resources=_created, keys=request_tag_keys)
async def create_policy(ctx: Context, request: CreatePolicyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html."""
    name, now = request["PolicyName"], ctx.clock.now()
    checked_managed_policy(ctx, request["PolicyDocument"])
    if await name_taken(ctx.tx, ctx.account, managed_policies, managed_policies.c.policy_name, name) is not None:
        raise EntityAlreadyExistsException(f"A policy called {name} already exists. Duplicate names are not allowed.")
    await check_account_quota(ctx, "PoliciesPerAccount", managed_policies)
    values: dict[str, object] = {
        "account": ctx.account,
        "policy_name": name,
        "policy_id": unique_id("ANPA"),
        "path": request.get("Path", "/"),
        "description": request.get("Description", ""),
        "default_version": 1,
        "latest_version": 1,
        "created_at": now,
        "updated_at": now,
    }
    await ctx.tx.execute(insert(managed_policies).values(**values))
    await ctx.tx.execute(
        insert(managed_policy_versions).values(
            account=ctx.account, policy_name=name, version=1, document=request["PolicyDocument"], created_at=now
        )
    )
    await add_tags(ctx, "policy", name, request.get("Tags"))
    await touch_account(ctx.tx, ctx.account)
    arn = str(entity_arn(ctx.account, "policy", request.get("Path", "/"), name))
    return {"Policy": await _in_full(ctx, await require_policy(ctx, arn))}


@operation("iam:GetPolicy", resources=policy_resources, reads=True)
async def get_policy(ctx: Context, request: GetPolicyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicy.html."""
    return {"Policy": await _in_full(ctx, await require_policy(ctx, request["PolicyArn"]))}


@operation("iam:ListPolicies", reads=True)
async def list_policies(ctx: Context, request: ListPoliciesRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html: AWS's and the account's own."""
    usage = await read_usage(ctx)
    wanted = [policy for policy in await _in_scope(ctx, request.get("Scope", "All")) if _fits(policy, usage, request)]
    page, more = page_of(wanted, lambda policy: f"{policy.name} {policy.arn.startswith(PREFIX):d}", request)
    return {"Policies": [policy_view(policy, usage) for policy in page], **more}


async def _in_scope(ctx: Context, scope: str) -> list[ManagedPolicy]:
    found: list[ManagedPolicy] = []
    if scope in ("All", "Local"):
        stmt = select(managed_policies).where(managed_policies.c.account == ctx.account)
        found += [customer_policy(ctx.account, row) for row in (await ctx.tx.execute(stmt)).all()]
    if scope in ("All", "AWS"):
        found += [aws_policy(policy) for policy in aws_managed_policies()]
    return found


def _fits(policy: ManagedPolicy, usage: Usage, request: ListPoliciesRequestTypeDef) -> bool:
    if not policy.path.startswith(request.get("PathPrefix", "/")):
        return False
    match request.get("PolicyUsageFilter"):
        case "PermissionsBoundary":
            return policy.arn in usage.bounding
        case "PermissionsPolicy":
            return policy.arn in usage.attached
        case _:
            return not request.get("OnlyAttached") or policy.arn in usage.attached


@operation("iam:DeletePolicy", resources=policy_resources)
async def delete_policy(ctx: Context, request: DeletePolicyRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html."""
    policy = await require_own_policy(ctx, request["PolicyArn"])
    usage = await read_usage(ctx, policy.arn)
    if usage.attached or usage.bounding:
        raise DeleteConflictException("Cannot delete a policy attached to entities.")
    versions = managed_policy_versions.c
    stmt = select(versions.version).where(versions.account == ctx.account, versions.policy_name == policy.name)
    if len((await ctx.tx.execute(stmt)).all()) > 1:
        raise DeleteConflictException(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions."
            " The default version is deleted with the policy."
        )
    for table in (managed_policy_versions, managed_policies):
        await ctx.tx.execute(delete(table).where(table.c.account == ctx.account, table.c.policy_name == policy.name))
    await drop_tags(ctx.tx, ctx.account, "policy", policy.name)
    await touch_account(ctx.tx, ctx.account)
    return {}
