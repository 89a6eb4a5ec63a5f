"""Tags as rows, and as the condition keys of a request that brings them.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from roadstead.access.resource import KeyValues, ReadKeys, resource_tags
from roadstead.access.tables import tags as table
from roadstead.services.iam.errors import InvalidInputException, LimitExceededException
from roadstead.services.iam.quotas import quota
from roadstead.services.operation import Context
from roadstead.store import Transaction

FOLDED = frozenset({"user", "role"})
"""Kinds whose tag keys differ by more than their case."""


async def request_tag_keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    """`aws:RequestTag/…` and `aws:TagKeys` of a request with `Tags` or `TagKeys`."""
    del ctx
    given: Sequence[Mapping[str, str]] = request.get("Tags") or ()
    names = [tag["Key"] for tag in given] or list(request.get("TagKeys") or ())
    keys: dict[str, str | Sequence[str]] = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in given}
    return {**keys, "aws:TagKeys": names} if names else keys


async def read_tags(tx: Transaction, account: str, kind: str, name: str) -> dict[str, str]:
    """A resource's tags, in the order of their keys."""
    return (await read_all_tags(tx, account, kind, [name])).get(name, {})


async def read_all_tags(tx: Transaction, account: str, kind: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of each of these resources that has any."""
    stmt = select(table).where(
        table.c.account == account, table.c.entity_kind == kind, table.c.entity_name.in_(list(names))
    )
    found: dict[str, dict[str, str]] = {}
    for row in (await tx.execute(stmt.order_by(table.c.tag_key))).all():
        found.setdefault(str(row.entity_name), {})[str(row.tag_key)] = str(row.tag_value)
    return found


def tag_keys_of(ctx: Context, kind: str, name: str, service: str | None = None) -> ReadKeys:
    """Reads the condition keys of a resource's tags; for a kind that `iam:ResourceTag/…` is about, `service` is `iam`."""

    async def read() -> KeyValues:
        return resource_tags(await read_tags(ctx.tx, ctx.account, kind, name), service)

    return read


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the API's shape."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


async def add_tags(ctx: Context, kind: str, name: str, given: Iterable[Mapping[str, object]] | None) -> None:
    """Tag a resource; a key that is there gets the new value. Raises InvalidInput and LimitExceeded."""
    new = _checked(given or (), folded=kind in FOLDED)
    if not new:
        return
    present = await read_tags(ctx.tx, ctx.account, kind, name)
    replaced = [key for key in present if _folded(key, kind) in {_folded(each, kind) for each in new}]
    limit = quota(ctx.deployment, "TagsPerResource")
    if len(present) - len(replaced) + len(new) > limit:
        raise LimitExceededException(f"Cannot exceed quota for TagsPer{_LIMIT_NAMES[kind]}: {limit}")
    await remove_tags(ctx.tx, ctx.account, kind, name, replaced)
    await ctx.tx.execute(
        insert(table),
        [
            {"account": ctx.account, "entity_kind": kind, "entity_name": name, "tag_key": key, "tag_value": value}
            for key, value in new.items()
        ],
    )


async def remove_tags(tx: Transaction, account: str, kind: str, name: str, keys: Sequence[str]) -> None:
    """Take tags away; keys that are not there are no error."""
    wanted = {_folded(key, kind) for key in keys}
    present = [key for key in await read_tags(tx, account, kind, name) if _folded(key, kind) in wanted]
    if present:
        await tx.execute(delete(table).where(*_of(account, kind, name), table.c.tag_key.in_(present)))


async def drop_tags(tx: Transaction, account: str, kind: str, name: str) -> None:
    """Forget the tags of a resource that is gone."""
    await tx.execute(delete(table).where(*_of(account, kind, name)))


async def move_tags(tx: Transaction, account: str, kind: str, name: str, new: str) -> None:
    """Keep the tags of a resource that has another name now."""
    await tx.execute(update(table).where(*_of(account, kind, name)).values(entity_name=new))


_LIMIT_NAMES = {
    "user": "User",
    "role": "Role",
    "policy": "Policy",
    "instance-profile": "InstanceProfile",
    "mfa": "MFADevice",
    "oidc-provider": "OpenIDConnectProvider",
}


def _of(account: str, kind: str, name: str) -> list[Any]:
    return [table.c.account == account, table.c.entity_kind == kind, table.c.entity_name == name]


def _folded(key: str, kind: str) -> str:
    return key.lower() if kind in FOLDED else key


def _checked(given: Iterable[Mapping[str, object]], *, folded: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: set[str] = set()
    for tag in given:
        key = str(tag["Key"])
        if key.lower().startswith("aws:"):
            raise InvalidInputException("aws: prefixed tag key names are not allowed for external use.")
        same = key.lower() if folded else key
        if same in seen:
            raise InvalidInputException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        seen.add(same)
        found[key] = str(tag["Value"])
    return found
