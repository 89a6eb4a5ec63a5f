"""Versions of managed policies: CreatePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion, DeletePolicyVersion."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from roadstead.access.aws_managed import aws_managed_policy
from roadstead.access.revisions import touch_account
from roadstead.access.tables import managed_policies, managed_policy_versions
from roadstead.kernel.arn import Arn
from roadstead.services.iam.entities import encoded_document
from roadstead.services.iam.errors import (
    DeleteConflictException,
    LimitExceededException,
    NoSuchEntityException,
)
from roadstead.services.iam.listing import page_size
from roadstead.services.iam.managed_policies import checked_managed_policy
from roadstead.services.iam.policy_arns import (
    ManagedPolicy,
    policy_resources,
    policy_row,
    require_own_policy,
    require_policy,
    version_id,
)
from roadstead.services.iam.quotas import quota
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreatePolicyVersionRequestTypeDef,
        DeletePolicyVersionRequestTypeDef,
        GetPolicyVersionRequestTypeDef,
        ListPolicyVersionsRequestTypeDef,
        SetDefaultPolicyVersionRequestTypeDef,
    )

_VERSION = re.compile(r"v([1-9][0-9]{0,8})(\..*)?", re.ASCII)


def _number(text: str) -> int:
    """The number in `v3`; 0, which no version has, for another text."""
    found = _VERSION.fullmatch(text)
    return int(found.group(1)) if found else 0


def _of(ctx: Context, policy: ManagedPolicy, version: int | None = None) -> list[Any]:
    columns = managed_policy_versions.c
    conditions: list[Any] = [columns.account == ctx.account, columns.policy_name == policy.name]
    return conditions if version is None else [*conditions, columns.version == version]


def _view(policy: ManagedPolicy, row: Any) -> dict[str, object]:
    return {
        "VersionId": version_id(row.version),
        "IsDefaultVersion": row.version == policy.default_version,
        "CreateDate": row.created_at,
    }


async def _require_version(ctx: Context, policy: ManagedPolicy, version: str) -> Any:
    row = (
        await ctx.tx.execute(select(managed_policy_versions).where(*_of(ctx, policy, _number(version))))
    ).one_or_none()
    if row is None:
        raise _missing(policy, version)
    return row


def _missing(policy: ManagedPolicy, version: str) -> NoSuchEntityException:
    return NoSuchEntityException(f"Policy {policy.arn} version {version} does not exist or is not attachable.")


@operation("iam:CreatePolicyVersion", resources=policy_resources)
async def create_policy_version(ctx: Context, request: CreatePolicyVersionRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html: a number is never given twice."""
    policy = await require_own_policy(ctx, request["PolicyArn"])
    checked_managed_policy(ctx, request["PolicyDocument"])
    present = (await ctx.tx.execute(select(managed_policy_versions.c.version).where(*_of(ctx, policy)))).all()
    limit = quota(ctx.deployment, "VersionsPerPolicy")
    if len(present) >= limit:
        raise LimitExceededException(
            f"A managed policy can have up to {limit} versions. Before you create a new version, you must delete an existing version."
        )
    row = await policy_row(ctx.tx, Arn.parse(policy.arn))
    number, now = int(getattr(row, "latest_version", 0)) + 1, ctx.clock.now()
    await ctx.tx.execute(
        insert(managed_policy_versions).values(
            account=ctx.account,
            policy_name=policy.name,
            version=number,
            document=request["PolicyDocument"],
            created_at=now,
        )
    )
    default = bool(request.get("SetAsDefault"))
    changed: dict[str, object] = {"latest_version": number, "updated_at": now}
    if default:
        changed["default_version"] = number
    await _change(ctx, policy, **changed)
    return {
        "PolicyVersion": {"VersionId": version_id(number), "IsDefaultVersion": default, "CreateDate": now},
    }


async def _change(ctx: Context, policy: ManagedPolicy, **values: object) -> None:
    stmt = update(managed_policies).where(
        managed_policies.c.account == ctx.account, managed_policies.c.policy_name == policy.name
    )
    await ctx.tx.execute(stmt.values(**values))
    await touch_account(ctx.tx, ctx.account)


@operation("iam:GetPolicyVersion", resources=policy_resources, reads=True)
async def get_policy_version(ctx: Context, request: GetPolicyVersionRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html: of AWS's policies, the current one only."""
    policy, wanted = await require_policy(ctx, request["PolicyArn"]), request["VersionId"]
    if not policy.from_aws:
        row = await _require_version(ctx, policy, wanted)
        return {"PolicyVersion": {"Document": encoded_document(row.document), **_view(policy, row)}}
    found = aws_managed_policy(policy.arn)
    if found is None or _number(wanted) != policy.default_version:
        raise _missing(policy, wanted)
    return {
        "PolicyVersion": {
            "Document": encoded_document(found.text),
            "VersionId": wanted,
            "IsDefaultVersion": True,
            "CreateDate": policy.updated_at,
        }
    }


@operation("iam:ListPolicyVersions", resources=policy_resources, reads=True)
async def list_policy_versions(ctx: Context, request: ListPolicyVersionsRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicyVersions.html: the latest first."""
    policy = await require_policy(ctx, request["PolicyArn"])
    if policy.from_aws:
        current = {
            "VersionId": version_id(policy.default_version),
            "IsDefaultVersion": True,
            "CreateDate": policy.updated_at,
        }
        return {"Versions": [current], "IsTruncated": False}
    size = page_size(request)
    stmt = select(managed_policy_versions).where(*_of(ctx, policy))
    if marker := request.get("Marker"):
        stmt = stmt.where(managed_policy_versions.c.version < _number(marker))
    rows = (await ctx.tx.execute(stmt.order_by(managed_policy_versions.c.version.desc()).limit(size + 1))).all()
    page = [_view(policy, row) for row in rows[:size]]
    if len(rows) <= size:
        return {"Versions": page, "IsTruncated": False}
    return {"Versions": page, "IsTruncated": True, "Marker": page[-1]["VersionId"]}


@operation("iam:SetDefaultPolicyVersion", resources=policy_resources)
async def set_default_policy_version(ctx: Context, request: SetDefaultPolicyVersionRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SetDefaultPolicyVersion.html."""
    policy = await require_own_policy(ctx, request["PolicyArn"])
    row = await _require_version(ctx, policy, request["VersionId"])
    await _change(ctx, policy, default_version=row.version, updated_at=ctx.clock.now())
    return {}


@operation("iam:DeletePolicyVersion", resources=policy_resources)
async def delete_policy_version(ctx: Context, request: DeletePolicyVersionRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicyVersion.html."""
    policy = await require_own_policy(ctx, request["PolicyArn"])
    row = await _require_version(ctx, policy, request["VersionId"])
    if row.version == policy.default_version:
        raise DeleteConflictException("Cannot delete the default version of a policy.")
    await ctx.tx.execute(delete(managed_policy_versions).where(*_of(ctx, policy, row.version)))
    await _change(ctx, policy, updated_at=ctx.clock.now())
    return {}
