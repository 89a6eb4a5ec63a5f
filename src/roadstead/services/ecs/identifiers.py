"""Names and ARNs as requests give them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.ecs.errors import ClientException, InvalidParameterException
from roadstead.services.operation import Context

DEFAULT_CLUSTER = "default"
NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_REVISION = re.compile(r"0{0,9}[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Member:
    """A task or container instance: its cluster, where the identifier names one, and its id."""

    cluster: str | None
    id: str


def cluster_arn(ctx: Context, name: str) -> Arn:
    """The ARN of a cluster of the caller."""
    return ctx.arn("ecs", f"cluster/{name}")


def cluster_name(ctx: Context, reference: str | None) -> str | None:
    """The name that a cluster's name or ARN stands for (`default` when absent); None for an ARN of elsewhere or of something else."""
    if not reference:
        return DEFAULT_CLUSTER
    if not reference.startswith("arn:"):
        return reference
    arn = _own(ctx, reference)
    kind, _, name = arn.resource.partition("/") if arn else ("", "", "")
    return name if kind == "cluster" and name else None


def member(ctx: Context, kind: str, reference: str) -> Member:
    """The task (`task`) or container instance (`container-instance`) that an id or ARN names.

    Raises InvalidParameterException for an ARN of something else. Old ARNs without a cluster are understood.
    """
    if not reference.startswith("arn:"):
        return Member(None, reference)
    arn = _own(ctx, reference)
    parts = arn.resource.split("/") if arn else []
    if len(parts) not in (2, 3) or parts[0] != kind:
        raise InvalidParameterException("Invalid identifier: Unexpected number of separators")
    return Member(parts[1] if len(parts) == 3 else None, parts[-1])


def member_of(ctx: Context, kind: str, reference: str, cluster: str) -> str:
    """The id of a member of `cluster`; raises InvalidParameterException when its ARN names another cluster."""
    found = member(ctx, kind, reference)
    if found.cluster is not None and found.cluster != cluster:
        raise InvalidParameterException(
            f"Invalid identifier: Identifier is for cluster {found.cluster}. Your cluster is {cluster}"
        )
    return found.id


def task_definition(ctx: Context, reference: str) -> tuple[str, int | None]:
    """Family and revision of `family`, `family:revision` or an ARN; raises ClientException for other text."""
    text = reference
    if reference.startswith("arn:"):
        arn = _own(ctx, reference)
        kind, _, text = arn.resource.partition("/") if arn else ("", "", "")
        if kind != "task-definition":
            raise ClientException("Invalid ARN for task definition.")
    family, colon, revision = text.partition(":")
    if not NAME.fullmatch(family):
        raise ClientException("Unable to describe task definition.")
    if not colon:
        return family, None
    if not _REVISION.fullmatch(revision):
        raise ClientException(f"Invalid revision number. Number: {revision}")
    return family, int(revision)


def role_arn(ctx: Context, reference: str) -> str:
    """The ARN of a role given by ARN or by name; raises ClientException unless it is a role of the caller's account."""
    if not reference.startswith("arn:"):
        return f"arn:aws:iam::{ctx.account}:role/{reference}"
    try:
        arn = Arn.parse(reference)
    except InvalidArn as error:
        raise ClientException("Role is not valid") from error
    if arn.service != "iam" or arn.account != ctx.account or not arn.resource.startswith("role/"):
        raise ClientException("Role is not valid")
    return reference


def _own(ctx: Context, reference: str) -> Arn | None:
    try:
        arn = Arn.parse(reference)
    except InvalidArn as error:
        raise InvalidParameterException("Invalid ARN.") from error
    return arn if (arn.service, arn.region, arn.account) == ("ecs", ctx.region, ctx.account) else None
