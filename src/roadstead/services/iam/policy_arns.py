"""Managed policies by their ARN, AWS's and the account's own: one view of both, and who uses them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Table, func, select

from roadstead.access.aws_managed import PREFIX, AwsManagedPolicy, aws_managed_policy
from roadstead.access.resource import Named, Resource
from roadstead.access.tables import attached_policies, managed_policies, roles, users
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.entities import entity_arn, name_of
from roadstead.services.iam.errors import AccessDenied, InvalidInputException, NoSuchEntityException
from roadstead.services.iam.tag_rows import tag_keys_of
from roadstead.services.operation import Context
from roadstead.store import Transaction


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A managed policy, AWS's or a customer's."""

    arn: str
    name: str
    policy_id: str
    path: str
    description: str
    default_version: int
    created_at: datetime
    updated_at: datetime

    @property
    def from_aws(self) -> bool:
        """Whether it is one of AWS's, the same for every account."""
        return self.arn.startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class Usage:
    """How often policies are used in an account: attached to entities, and as permissions boundaries."""

    attached: Mapping[str, int]
    bounding: Mapping[str, int]


def customer_policy(account: str, row: Any) -> ManagedPolicy:
    """The policy of a row."""
    return ManagedPolicy(
        arn=str(entity_arn(account, "policy", row.path, row.policy_name)),
        name=row.policy_name,
        policy_id=row.policy_id,
        path=row.path,
        description=row.description,
        default_version=row.default_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def aws_policy(policy: AwsManagedPolicy) -> ManagedPolicy:
    """One of AWS's; its id is made from its ARN, so that it is the same everywhere and always."""
    digest = base64.b32encode(sha256(policy.arn.encode()).digest()).decode()
    return ManagedPolicy(
        arn=policy.arn,
        name=policy.name,
        policy_id=f"ANPA{digest[:16]}",
        path=policy.path,
        description=policy.description,
        default_version=policy.version,
        created_at=policy.created_at,
        updated_at=policy.updated_at,
    )


def parsed_policy_arn(text: str) -> Arn:
    """The ARN of a managed policy; raises InvalidInput for another text."""
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise InvalidInputException(f"ARN {text} is not valid.") from error
    if arn.service != "iam" or not arn.resource.startswith("policy/"):
        raise InvalidInputException(f"ARN {text} is not valid.")
    return arn


async def policy_row(tx: Transaction, arn: Arn) -> Any | None:
    """The row of a customer managed policy with exactly this ARN."""
    _, path, name = name_of(arn)
    stmt = select(managed_policies).where(
        managed_policies.c.account == arn.account,
        managed_policies.c.policy_name == name,
        managed_policies.c.path == path,
    )
    return (await tx.execute(stmt)).one_or_none()


async def find_policy(ctx: Context, text: str) -> ManagedPolicy | None:
    """A managed policy that this account can use; raises InvalidInput."""
    arn = parsed_policy_arn(text)
    if arn.account == "aws":
        found = aws_managed_policy(text)
        return aws_policy(found) if found is not None else None
    row = await policy_row(ctx.tx, arn) if arn.account == ctx.account else None
    return customer_policy(ctx.account, row) if row is not None else None


async def require_policy(ctx: Context, text: str) -> ManagedPolicy:
    """As `find_policy`; raises NoSuchEntity too."""
    found = await find_policy(ctx, text)
    if found is None:
        raise NoSuchEntityException(f"Policy {text} was not found.")
    return found


async def require_own_policy(ctx: Context, text: str) -> ManagedPolicy:
    """A policy that the account may change; raises AccessDenied for those of AWS, which nobody's policies can allow."""
    if parsed_policy_arn(text).account == "aws":
        raise AccessDenied(
            f"User: {ctx.principal.arn} is not authorized to perform this operation on resource: policy {text}"
        )
    return await require_policy(ctx, text)


async def policy_resources(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The policy that a request names by its ARN, with its tags."""
    text = str(request["PolicyArn"])
    arn = parsed_policy_arn(text)
    if arn.account == "aws":
        return [AwsOwned(text)]
    return [Resource(arn, tags=tag_keys_of(ctx, "policy", name_of(arn)[2]) if arn.account == ctx.account else None)]


class AwsOwned(Resource, frozen=True):
    """One of AWS's policies: it belongs to no other customer, so that the caller's own policies decide."""

    @property
    def account(self) -> str | None:
        """Nobody's."""
        return None


def version_id(version: int) -> str:
    """`v3`."""
    return f"v{version}"


def policy_view(policy: ManagedPolicy, usage: Usage) -> dict[str, object]:
    """The API's shape of a policy, as lists have it: without description and tags."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": version_id(policy.default_version),
        "AttachmentCount": usage.attached.get(policy.arn, 0),
        "PermissionsBoundaryUsageCount": usage.bounding.get(policy.arn, 0),
        "IsAttachable": True,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.updated_at,
    }


async def read_usage(ctx: Context, arn: str | None = None) -> Usage:
    """How often the account uses each managed policy, or one of them."""
    attached = select(attached_policies.c.policy_arn, func.count()).where(attached_policies.c.account == ctx.account)
    if arn is not None:
        attached = attached.where(attached_policies.c.policy_arn == arn)
    counts = {
        str(row[0]): int(row[1])
        for row in (await ctx.tx.execute(attached.group_by(attached_policies.c.policy_arn))).all()
    }
    bounding: dict[str, int] = {}
    tables: tuple[Table, ...] = (users, roles)
    for table in tables:
        boundary = table.c.permissions_boundary
        stmt = select(boundary, func.count()).where(table.c.account == ctx.account)
        stmt = stmt.where(boundary == arn) if arn is not None else stmt.where(boundary.is_not(None))
        for row in (await ctx.tx.execute(stmt.group_by(boundary))).all():
            bounding[str(row[0])] = bounding.get(str(row[0]), 0) + int(row[1])
    return Usage(counts, bounding)
