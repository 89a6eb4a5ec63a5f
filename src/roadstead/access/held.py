"""What an identity holds: its policies, its boundary and its tags, read from the tables in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from roadstead.access.aws_managed import PREFIX, aws_managed_policy
from roadstead.access.tables import (
    attached_policies,
    group_members,
    inline_policies,
    managed_policies,
    managed_policy_versions,
    roles,
    service_control_policies,
    tags,
    users,
)
from roadstead.core.policy.compile import CompiledPolicy, compiled_text
from roadstead.core.policy.document import parse_policy
from roadstead.core.policy.elements import PolicyDocument
from roadstead.core.policy.trace import Origin, PolicyKind, PolicySource
from roadstead.kernel.arn import Arn
from roadstead.store import Transaction

ServiceControl = tuple[tuple[CompiledPolicy, ...], ...]
_NOTHING = PolicyDocument(())


@dataclass(frozen=True, slots=True)
class Held:
    """The policies of a user, those of its groups among them, or of a role; `unique_id` is its own, empty for one that is gone."""

    unique_id: str = ""
    policies: tuple[CompiledPolicy, ...] = ()
    boundary: CompiledPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


NOTHING_HELD = Held()


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy as it was written, and where it is kept."""

    text: str
    source: PolicySource


async def managed_document(tx: Transaction, arn: str) -> str | None:
    """The default version of a managed policy, AWS's or a customer's; None when there is none with exactly this ARN."""
    if arn.startswith(PREFIX):
        found = aws_managed_policy(arn)
        return found.text if found is not None else None
    named = Arn.parse(arn)
    path, _, name = named.resource.removeprefix("policy").rpartition("/")
    policy, version = managed_policies.c, managed_policy_versions.c
    stmt = (
        select(version.document)
        .join(
            managed_policies,
            (policy.account == version.account)
            & (policy.policy_name == version.policy_name)
            & (policy.default_version == version.version),
        )
        .where(policy.account == named.account, policy.policy_name == name, policy.path == f"{path}/")
    )
    document = (await tx.execute(stmt)).scalar()
    return None if document is None else str(document)


async def read_held(tx: Transaction, account: str, kind: str, name: str) -> Held:
    """What a `user` or `role` holds; nothing, for one that is gone."""
    table, column, unique = (
        (users, users.c.user_name, users.c.user_id) if kind == "user" else (roles, roles.c.role_name, roles.c.role_id)
    )
    stmt = select(table.c.permissions_boundary, unique.label("unique_id"))
    row = (await tx.execute(stmt.where(table.c.account == account, column == name))).one_or_none()
    if row is None:
        return NOTHING_HELD
    entities = [(kind, name)]
    if kind == "user":
        entities += [("group", group) for group in await groups_of(tx, account, name)]
    policies = [_compiled(text) for entity in entities for text in await policy_texts(tx, account, *entity)]
    boundary = None
    if row.permissions_boundary is not None:
        arn = str(row.permissions_boundary)
        limit = await managed_text(tx, arn, PolicyKind.BOUNDARY)
        boundary = _compiled(limit) if limit is not None else _empty(arn, PolicyKind.BOUNDARY)
    wanted = select(tags.c.tag_key, tags.c.tag_value).where(
        tags.c.account == account, tags.c.entity_kind == kind, tags.c.entity_name == name
    )
    found = {str(tag.tag_key): str(tag.tag_value) for tag in (await tx.execute(wanted)).all()}
    return Held(str(row.unique_id), tuple(policies), boundary, found)


async def read_session_policy(tx: Transaction, arn: str) -> CompiledPolicy:
    """A managed policy that limits a session; one that is gone allows nothing."""
    limit = await managed_text(tx, arn, PolicyKind.SESSION)
    return _compiled(limit) if limit is not None else _empty(arn, PolicyKind.SESSION)


async def read_service_control(tx: Transaction, account: str) -> ServiceControl:
    """The levels of service control policies above an account, each of which must allow; there is one, unless there is none."""
    level = tuple(
        CompiledPolicy(parse_policy(policy.text), policy.source) for policy in await service_control_texts(tx, account)
    )
    return (level,) if level else ()


async def service_control_texts(tx: Transaction, account: str) -> list[PolicyText]:
    """The service control policies of an account, by name."""
    columns = service_control_policies.c
    stmt = select(columns.policy_name, columns.document).where(columns.account == account)
    return [
        PolicyText(str(row.document), PolicySource(str(row.policy_name), PolicyKind.SERVICE_CONTROL))
        for row in (await tx.execute(stmt.order_by(columns.policy_name))).all()
    ]


async def policy_texts(tx: Transaction, account: str, kind: str, name: str) -> list[PolicyText]:
    """The inline and attached policies of one `user`, `group` or `role`; a user's groups are asked apart."""
    inline, attached = inline_policies.c, attached_policies.c
    stmt = select(inline.policy_name, inline.document).where(
        inline.account == account, inline.entity_kind == kind, inline.entity_name == name
    )
    found = [
        PolicyText(str(row.document), PolicySource(str(row.policy_name), PolicyKind.IDENTITY, Origin(kind), name))
        for row in (await tx.execute(stmt)).all()
    ]
    stmt = select(attached.policy_arn).where(
        attached.account == account, attached.entity_kind == kind, attached.entity_name == name
    )
    for row in (await tx.execute(stmt)).all():
        policy = await managed_text(tx, str(row.policy_arn), PolicyKind.IDENTITY)
        if policy is not None:
            found.append(policy)
    return found


async def managed_text(tx: Transaction, arn: str, kind: PolicyKind) -> PolicyText | None:
    """A managed policy in its part as `kind`; None when there is none with this ARN."""
    text = await managed_document(tx, arn)
    if text is None:
        return None
    return PolicyText(
        text, PolicySource(arn, kind, Origin.AWS_MANAGED if arn.startswith(PREFIX) else Origin.USER_MANAGED)
    )


async def groups_of(tx: Transaction, account: str, user: str) -> list[str]:
    """The names of a user's groups."""
    stmt = select(group_members.c.group_name).where(
        group_members.c.account == account, group_members.c.user_name == user
    )
    return [str(row.group_name) for row in (await tx.execute(stmt.order_by(group_members.c.group_name))).all()]


def _compiled(policy: PolicyText) -> CompiledPolicy:
    """Managed policies are shared by many identities, and compiled once for all."""
    if policy.source.origin in (Origin.AWS_MANAGED, Origin.USER_MANAGED):
        return compiled_text(policy.text, policy.source)
    return CompiledPolicy(parse_policy(policy.text), policy.source)


def _empty(arn: str, kind: PolicyKind) -> CompiledPolicy:
    """A limit whose policy is gone allows nothing."""
    return CompiledPolicy(_NOTHING, PolicySource(arn, kind))
