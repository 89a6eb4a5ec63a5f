"""What users, groups and roles share: rows, ARNs, what a decision sees of them, and the check of policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import Column, Table, func, select

from roadstead.access.resource import Named, Resource
from roadstead.access.tables import attached_policies, groups, inline_policies, roles, users
from roadstead.core.policy.document import MalformedPolicy, PolicyDocument, parse_policy
from roadstead.kernel.arn import Arn
from roadstead.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    MalformedPolicyDocumentException,
    NoSuchEntityException,
    UnmodifiableEntityException,
)
from roadstead.services.iam.tag_rows import tag_keys_of
from roadstead.services.operation import Context
from roadstead.store import Transaction

SERVICE_ROLE_PATH = "/aws-service-role/"
"""The path below which service-linked roles are."""


class Resources(Protocol):
    """Reads what a request names."""

    async def __call__(self, ctx: Context, request: Any) -> Sequence[Named]:
        """The resources."""
        ...


@dataclass(frozen=True, slots=True)
class EntityKind:
    """Users, groups or roles: what differs between them. `title` is how the API writes it, `stored` how rows do."""

    title: str
    table: Table
    name: Column[Any]
    unique: Column[Any]

    @property
    def stored(self) -> str:
        """`user`, `group` or `role`."""
        return self.title.lower()

    @property
    def member(self) -> str:
        """The request's member with the name."""
        return f"{self.title}Name"

    @property
    def bounded(self) -> bool:
        """Whether it can have a permissions boundary."""
        return "permissions_boundary" in self.table.c


USER = EntityKind("User", users, users.c.user_name, users.c.user_id)
GROUP = EntityKind("Group", groups, groups.c.group_name, groups.c.group_id)
ROLE = EntityKind("Role", roles, roles.c.role_name, roles.c.role_id)
KINDS = {kind.stored: kind for kind in (USER, GROUP, ROLE)}


def entity_arn(account: str, kind: str, path: str, name: str) -> Arn:
    """The ARN of a `user`, `group`, `role`, `policy`, …; `path` begins and ends with a slash."""
    return Arn(service="iam", region="", account=account, resource=f"{kind}{path}{name}")


def name_of(arn: Arn) -> tuple[str, str, str]:
    """The kind, the path and the name in an ARN of IAM."""
    kind, _, rest = arn.resource.partition("/")
    path, _, name = f"/{rest}".rpartition("/")
    return kind, f"{path}/", name


async def find_entity(tx: Transaction, account: str, kind: EntityKind, name: str) -> Any | None:
    """An entity's row."""
    stmt = select(kind.table).where(kind.table.c.account == account, kind.name == name)
    return (await tx.execute(stmt)).one_or_none()


async def require_entity(ctx: Context, kind: EntityKind, name: str) -> Any:
    """An entity's row; raises NoSuchEntity."""
    row = await find_entity(ctx.tx, ctx.account, kind, name)
    if row is None:
        raise NoSuchEntityException(f"The {kind.stored} with name {name} cannot be found.")
    return row


async def require_modifiable(ctx: Context, kind: EntityKind, name: str) -> Any:
    """As `require_entity`; raises UnmodifiableEntity for a role that belongs to a service."""
    row = await require_entity(ctx, kind, name)
    if kind is ROLE and str(row.path).startswith(SERVICE_ROLE_PATH):
        raise UnmodifiableEntityException(
            f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        )
    return row


async def name_taken(tx: Transaction, account: str, table: Table, column: Column[Any], name: str) -> str | None:
    """The name that is taken where `name` would be its equal: names differ by more than their case."""
    stmt = select(column).where(table.c.account == account, func.lower(column) == name.lower())
    found = (await tx.execute(stmt)).first()
    return None if found is None else str(found[0])


async def check_new_name(ctx: Context, kind: EntityKind, name: str) -> None:
    """Return when no entity of the kind has this name; raises EntityAlreadyExists."""
    if await name_taken(ctx.tx, ctx.account, kind.table, kind.name, name) is not None:
        raise EntityAlreadyExistsException(f"{kind.title} with name {name} already exists.")


async def entity_resource(ctx: Context, kind: EntityKind, name: str, *, boundary: bool = False) -> Resource:
    """An entity as a decision sees it: its ARN with its path, its tags and, with `boundary`, its permissions boundary."""
    row = await find_entity(ctx.tx, ctx.account, kind, name)
    if row is None:
        return Resource(entity_arn(ctx.account, kind.stored, "/", name))
    keys: dict[str, str] = {}
    if boundary and kind.bounded and row.permissions_boundary is not None:
        keys["iam:PermissionsBoundary"] = str(row.permissions_boundary)
    tags = tag_keys_of(ctx, kind.stored, name, "iam") if kind.bounded else None
    return Resource(entity_arn(ctx.account, kind.stored, str(row.path), name), keys, tags=tags)


def named(kind: EntityKind, *, boundary: bool = False) -> Resources:
    """A reader of the entity that a request names by its name. For actions that have the key, `boundary` adds iam:PermissionsBoundary."""

    async def read(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
        return [await entity_resource(ctx, kind, request[kind.member], boundary=boundary)]

    return read


def created(kind: EntityKind) -> Resources:
    """A reader of the entity that a request makes, at the path it asks for."""

    async def read(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
        return [entity_arn(ctx.account, kind.stored, request.get("Path", "/"), request[kind.member])]

    return read


def checked_policy(text: str, *, trust: bool = False) -> PolicyDocument:
    """Parse a policy, wording what is wrong as IAM does."""
    try:
        return parse_policy(text, trust=trust)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from error


async def check_without_policies(ctx: Context, kind: str, name: str) -> None:
    """Return when an entity has no policy, attached or inline; raises DeleteConflict."""
    for table, what in (
        (attached_policies, "must detach all policies first."),
        (inline_policies, "must delete policies first."),
    ):
        stmt = select(table.c.entity_name).where(
            table.c.account == ctx.account, table.c.entity_kind == kind, table.c.entity_name == name
        )
        if (await ctx.tx.execute(stmt)).first() is not None:
            raise DeleteConflictException(f"Cannot delete entity, {what}")


def encoded_document(document: str) -> str:
    """A policy as answers carry it: URL-encoded."""
    return quote(document, safe="-_.~")
