"""Inline policies of users and roles: Put, Get, List and Delete, the same four functions for both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from sqlalchemy import delete, insert, select

from roadstead.access.revisions import touch_account
from roadstead.access.tables import inline_policies
from roadstead.services.iam.entities import Resources, checked_policy
from roadstead.services.iam.errors import NoSuchEntityException
from roadstead.services.iam.roles import require_role, role_resources
from roadstead.services.iam.users import require_user, user_resources
from roadstead.services.operation import Context, operation

Require = Callable[[Context, str], Awaitable[Any]]


def _declare(kind: str, require: Require, resources: Resources) -> None:
    """Declare the four operations of one kind of entity (`User`, `Role`)."""
    member = f"{kind}Name"
    stored = kind.lower()

    def of_entity(ctx: Context, request: Mapping[str, str]) -> list[Any]:
        return [
            inline_policies.c.account == ctx.account,
            inline_policies.c.entity_kind == stored,
            inline_policies.c.entity_name == request[member],
        ]

    def of_policy(ctx: Context, request: Mapping[str, str]) -> list[Any]:
        return [*of_entity(ctx, request), inline_policies.c.policy_name == request["PolicyName"]]

    def missing(request: Mapping[str, str]) -> NoSuchEntityException:
        return NoSuchEntityException(f"The {stored} policy with name {request['PolicyName']} cannot be found.")

    @operation(f"iam:Put{kind}Policy", resources=resources)
    async def put_policy(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require(ctx, request[member])
        checked_policy(request["PolicyDocument"])
        await ctx.tx.execute(delete(inline_policies).where(*of_policy(ctx, request)))
        await ctx.tx.execute(
            insert(inline_policies).values(
                account=ctx.account,
                entity_kind=stored,
                entity_name=request[member],
                policy_name=request["PolicyName"],
                document=request["PolicyDocument"],
            )
        )
        await touch_account(ctx.tx, ctx.account)
        return {}

    @operation(f"iam:Get{kind}Policy", resources=resources, reads=True)
    async def get_policy(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require(ctx, request[member])
        stmt = select(inline_policies.c.document).where(*of_policy(ctx, request))
        document = (await ctx.tx.execute(stmt)).scalar()
        if document is None:
            raise missing(request)
        return {
            member: request[member],
            "PolicyName": request["PolicyName"],
            "PolicyDocument": quote(str(document), safe="-_.~"),
        }

    @operation(f"iam:List{kind}Policies", resources=resources, reads=True)
    async def list_policies(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require(ctx, request[member])
        size = int(request.get("MaxItems") or 100)
        stmt = select(inline_policies.c.policy_name).where(*of_entity(ctx, request))
        if request.get("Marker"):
            stmt = stmt.where(inline_policies.c.policy_name > request["Marker"])
        rows = (await ctx.tx.execute(stmt.order_by(inline_policies.c.policy_name).limit(size + 1))).all()
        names = [str(row.policy_name) for row in rows]
        if len(names) <= size:
            return {"PolicyNames": names, "IsTruncated": False}
        return {"PolicyNames": names[:size], "IsTruncated": True, "Marker": names[size - 1]}

    @operation(f"iam:Delete{kind}Policy", resources=resources)
    async def delete_policy(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require(ctx, request[member])
        if (await ctx.tx.execute(delete(inline_policies).where(*of_policy(ctx, request)))).rowcount == 0:
            raise missing(request)
        await touch_account(ctx.tx, ctx.account)
        return {}

    del put_policy, get_policy, list_policies, delete_policy  # reached through the registry of operations


_declare("User", require_user, user_resources)
_declare("Role", require_role, role_resources)
