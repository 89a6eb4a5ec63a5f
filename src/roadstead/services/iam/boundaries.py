"""Permissions boundaries of users and roles: Put and Delete, the same two functions for both.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from roadstead.access.held import managed_document
from roadstead.access.resource import KeyValues
from roadstead.access.revisions import touch_account
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.entities import (
    ROLE,
    SERVICE_ROLE_PATH,
    USER,
    EntityKind,
    named,
    require_modifiable,
)
from roadstead.services.iam.errors import (
    InvalidInputException,
    NoSuchEntityException,
    PolicyNotAttachableException,
)
from roadstead.services.operation import Context, operation

_ABSENT = "permissions boundary"


def boundary_view(row: Any) -> dict[str, object]:
    """The member PermissionsBoundary of an entity that has one."""
    if row.permissions_boundary is None:
        return {}
    return {
        "PermissionsBoundary": {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": row.permissions_boundary,
        }
    }


async def request_boundary(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    """The condition key of a request that sets a boundary."""
    del ctx
    arn = request.get("PermissionsBoundary")
    return {} if arn is None else {"iam:PermissionsBoundary": str(arn)}


async def require_boundary(ctx: Context, arn: str) -> None:
    """Return when the ARN is a managed policy that can be a boundary in this account.

    Raises InvalidInput, NoSuchEntity and PolicyNotAttachable.
    """
    try:
        parsed = Arn.parse(arn)
    except InvalidArn as error:
        raise InvalidInputException(f"ARN {arn} is not valid.") from error
    if parsed.service != "iam" or not parsed.resource.startswith("policy/"):
        raise InvalidInputException(f"ARN {arn} is not valid.")
    if parsed.resource.startswith(f"policy{SERVICE_ROLE_PATH}"):
        raise PolicyNotAttachableException("Cannot attach a Service Role Policy to a Customer Role.")
    if parsed.account not in ("aws", ctx.account) or await managed_document(ctx.tx, arn) is None:
        raise NoSuchEntityException(f"Scope ARN: {arn} does not exist or is not attachable.")


def _declare(kind: EntityKind) -> None:
    """Declare the two operations of users or roles."""

    def stmt(ctx: Context, name: str) -> Any:
        return update(kind.table).where(kind.table.c.account == ctx.account, kind.name == name)

    @operation(f"iam:Put{kind.title}PermissionsBoundary", resources=named(kind), keys=request_boundary)
    async def put_boundary(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        name, arn = request[kind.member], request["PermissionsBoundary"]
        await require_modifiable(ctx, kind, name)
        await require_boundary(ctx, arn)
        await ctx.tx.execute(stmt(ctx, name).values(permissions_boundary=arn))
        await touch_account(ctx.tx, ctx.account)
        return {}

    @operation(f"iam:Delete{kind.title}PermissionsBoundary", resources=named(kind, boundary=True))
    async def delete_boundary(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        name = request[kind.member]
        row = await require_modifiable(ctx, kind, name)
        if row.permissions_boundary is None:
            raise NoSuchEntityException(f"The {kind.stored} with name {name} does not have a {_ABSENT}.")
        await ctx.tx.execute(stmt(ctx, name).values(permissions_boundary=None))
        await touch_account(ctx.tx, ctx.account)
        return {}

    del put_boundary, delete_boundary  # reached through the registry of operations


_declare(USER)
_declare(ROLE)
