"""Managed policies on users, groups and roles: Attach, Detach and ListAttached, the same three functions for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select

from roadstead.access.resource import KeyValues
from roadstead.access.revisions import touch_account
from roadstead.access.tables import attached_policies
from roadstead.kernel.arn import Arn
from roadstead.services.iam.entities import (
    GROUP,
    ROLE,
    SERVICE_ROLE_PATH,
    USER,
    EntityKind,
    name_of,
    named,
    require_entity,
    require_modifiable,
)
from roadstead.services.iam.errors import NoSuchEntityException, PolicyNotAttachableException
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.policy_arns import find_policy, parsed_policy_arn
from roadstead.services.iam.quotas import check_quota
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction


async def attached_to(tx: Transaction, account: str, kind: str, name: str) -> list[str]:
    """The ARNs of an entity's managed policies."""
    columns = attached_policies.c
    stmt = select(columns.policy_arn).where(
        columns.account == account, columns.entity_kind == kind, columns.entity_name == name
    )
    return [str(row.policy_arn) for row in (await tx.execute(stmt.order_by(columns.policy_arn))).all()]


def attached_view(arn: str) -> dict[str, object]:
    """The API's shape of an attached policy."""
    return {"PolicyName": name_of(Arn.parse(arn))[2], "PolicyArn": arn}


def _order(arn: str) -> str:
    """Names are unique within each account, AWS's among them."""
    parsed = Arn.parse(arn)
    return f"{name_of(parsed)[2]} {parsed.account}"


async def _policy_key(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    del ctx
    return {"iam:PolicyARN": str(request["PolicyArn"])}


def _declare(kind: EntityKind) -> None:
    """Declare the three operations of one kind of entity."""
    changing = named(kind, boundary=True)

    def attachment(ctx: Context, request: Mapping[str, str]) -> list[Any]:
        columns = attached_policies.c
        return [
            columns.account == ctx.account,
            columns.entity_kind == kind.stored,
            columns.entity_name == request[kind.member],
            columns.policy_arn == request["PolicyArn"],
        ]

    @operation(f"iam:Attach{kind.title}Policy", resources=changing, keys=_policy_key)
    async def attach(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        name, arn = request[kind.member], request["PolicyArn"]
        await require_modifiable(ctx, kind, name)
        policy = await find_policy(ctx, arn)
        if policy is None:
            raise NoSuchEntityException(f"Policy {arn} does not exist or is not attachable.")
        if policy.from_aws and policy.path.startswith(SERVICE_ROLE_PATH):
            raise PolicyNotAttachableException("Cannot attach a Service Role Policy to a Customer Role.")
        if (await ctx.tx.execute(select(func.count()).where(*attachment(ctx, request)))).scalar():
            return {}
        present = await attached_to(ctx.tx, ctx.account, kind.stored, name)
        check_quota(ctx, f"PoliciesPer{kind.title}", len(present))
        await ctx.tx.execute(
            insert(attached_policies).values(
                account=ctx.account, entity_kind=kind.stored, entity_name=name, policy_arn=arn
            )
        )
        await touch_account(ctx.tx, ctx.account)
        return {}

    @operation(f"iam:Detach{kind.title}Policy", resources=changing, keys=_policy_key)
    async def detach(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        await require_modifiable(ctx, kind, request[kind.member])
        parsed_policy_arn(request["PolicyArn"])
        if (await ctx.tx.execute(delete(attached_policies).where(*attachment(ctx, request)))).rowcount == 0:
            raise NoSuchEntityException(f"Policy {request['PolicyArn']} was not found.")
        await touch_account(ctx.tx, ctx.account)
        return {}

    @operation(f"iam:ListAttached{kind.title}Policies", resources=named(kind), reads=True)
    async def list_attached(ctx: Context, request: Mapping[str, str]) -> dict[str, object]:
        name, prefix = request[kind.member], request.get("PathPrefix", "/")
        await require_entity(ctx, kind, name)
        arns = await attached_to(ctx.tx, ctx.account, kind.stored, name)
        wanted = [arn for arn in arns if name_of(Arn.parse(arn))[1].startswith(prefix)]
        page, more = page_of(wanted, _order, request)
        return {"AttachedPolicies": [attached_view(arn) for arn in page], **more}

    del attach, detach, list_attached  # reached through the registry of operations


_declare(USER)
_declare(GROUP)
_declare(ROLE)
