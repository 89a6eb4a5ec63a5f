"""Which policies of an identity grant a service: those with an Allow that names one of its actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from roadstead.access.held import managed_document
from roadstead.access.tables import group_members, inline_policies
from roadstead.core.policy.document import Effect, parse_policy
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.attachments import attached_to
from roadstead.services.iam.entities import KINDS, find_entity, name_of
from roadstead.services.iam.errors import InvalidInputException, NoSuchEntityException
from roadstead.services.iam.policy_arns import require_policy
from roadstead.services.operation import Context


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """A policy and who holds it; `arn` is None for an inline one."""

    name: str
    arn: str | None
    kind: str
    holder: str
    document: str


async def check_named(ctx: Context, text: str) -> Arn:
    """The ARN of a user, group, role or managed policy that exists; raises InvalidInput and NoSuchEntity."""
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise InvalidInputException(f"ARN {text} is not valid.") from error
    kind, path, name = name_of(arn)
    if arn.service == "iam" and kind == "policy":
        await require_policy(ctx, text)
        return arn
    if arn.service != "iam" or kind not in KINDS:
        raise InvalidInputException(f"ARN {text} is not valid.")
    row = await find_entity(ctx.tx, ctx.account, KINDS[kind], name) if arn.account == ctx.account else None
    if row is None or row.path != path:
        raise NoSuchEntityException(f"ARN {text} cannot be found.")
    return arn


async def held_policies(ctx: Context, arn: Arn) -> list[HeldPolicy]:
    """The policies of an identity, those of a user's groups among them; of a policy, itself."""
    kind, _, name = name_of(arn)
    if kind == "policy":
        document = await managed_document(ctx.tx, str(arn)) or ""
        return [HeldPolicy(name, str(arn), kind, name, document)]
    holders = [(kind, name)]
    if kind == "user":
        stmt = select(group_members.c.group_name).where(
            group_members.c.account == ctx.account, group_members.c.user_name == name
        )
        holders += [("group", str(row.group_name)) for row in (await ctx.tx.execute(stmt)).all()]
    return [policy for holder in holders for policy in await _of_holder(ctx, *holder)]


async def _of_holder(ctx: Context, kind: str, name: str) -> list[HeldPolicy]:
    columns = inline_policies.c
    stmt = select(columns.policy_name, columns.document).where(
        columns.account == ctx.account, columns.entity_kind == kind, columns.entity_name == name
    )
    rows: Sequence[Any] = (await ctx.tx.execute(stmt.order_by(columns.policy_name))).all()
    found = [HeldPolicy(str(row.policy_name), None, kind, name, str(row.document)) for row in rows]
    for arn in await attached_to(ctx.tx, ctx.account, kind, name):
        document = await managed_document(ctx.tx, arn)
        if document is not None:
            found.append(HeldPolicy(name_of(Arn.parse(arn))[2], arn, kind, name, document))
    return found


def granted_services(document: str) -> frozenset[str] | None:
    """The service prefixes that a policy's Allow statements name; None where one allows actions of every service."""
    named: set[str] = set()
    for statement in parse_policy(document).statements:
        if statement.effect is Effect.ALLOW:
            if statement.not_actions or any(action in ("*", "*:*") for action in statement.actions):
                return None
            named.update(action.partition(":")[0].lower() for action in statement.actions)
    return frozenset(named)
