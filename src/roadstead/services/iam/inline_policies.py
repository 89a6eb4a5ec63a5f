"""Inline policies of users, groups and roles: Put, Get, List and Delete, the same four functions for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from roadstead.access.revisions import touch_account
from roadstead.access.tables import inline_policies
from roadstead.services.iam.entities import (
    GROUP,
    ROLE,
    USER,
    EntityKind,
    checked_policy,
    encoded_document,
    named,
    require_entity,
    require_modifiable,
)
from roadstead.services.iam.errors import LimitExceededException, NoSuchEntityException
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.quotas import INLINE_SIZES, policy_size
from roadstead.services.operation import Context, operation


def _declare(kind: EntityKind) -> None:
    """Declare the four operations of one kind of entity."""
    member, stored = kind.member, kind.stored
    changing, reading = named(kind, boundary=True), named(kind)

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

    async def check_size(ctx: Context, request: Mapping[str, str]) -> None:
        stmt = select(inline_policies.c.document).where(
            *of_entity(ctx, request), inline_policies.c.policy_name != request["PolicyName"]
        )
        others = sum(policy_size(str(row.document)) for row in (await ctx.tx.execute(stmt)).all())
        if others + policy_size(request["PolicyDocument"]) > INLINE_SIZES[stored]:
            raise LimitExceededException(
                f"Maximum policy size of {INLINE_SIZES[stored]} bytes exceeded for {stored} {request[member]}"
            )

    @operation(f"iam:Put{kind.title}Policy", resources=changing)
    async def put_policy(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require_modifiable(ctx, kind, request[member])
        checked_policy(request["PolicyDocument"])
        await check_size(ctx, request)
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

    @operation(f"iam:Get{kind.title}Policy", resources=reading, reads=True)
    async def get_policy(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require_entity(ctx, kind, request[member])
        stmt = select(inline_policies.c.document).where(*of_policy(ctx, request))
        document = (await ctx.tx.execute(stmt)).scalar()
        if document is None:
            raise missing(request)
        return {
            member: request[member],
            "PolicyName": request["PolicyName"],
            "PolicyDocument": encoded_document(str(document)),
        }

    @operation(f"iam:List{kind.title}Policies", resources=reading, reads=True)
    async def list_policies(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require_entity(ctx, kind, request[member])
        stmt = select(inline_policies.c.policy_name).where(*of_entity(ctx, request))
        names = [str(row.policy_name) for row in (await ctx.tx.execute(stmt)).all()]
        page, more = page_of(names, str, request)
        return {"PolicyNames": page, **more}

    @operation(f"iam:Delete{kind.title}Policy", resources=changing)
    async def delete_policy(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require_modifiable(ctx, kind, request[member])
        if (await ctx.tx.execute(delete(inline_policies).where(*of_policy(ctx, request)))).rowcount == 0:
            raise missing(request)
        await touch_account(ctx.tx, ctx.account)
        return {}

    del put_policy, get_policy, list_policies, delete_policy  # reached through the registry of operations


_declare(USER)
_declare(GROUP)
_declare(ROLE)
