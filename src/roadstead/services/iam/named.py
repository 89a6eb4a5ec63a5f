"""What a request names by an ARN, as IAM decides about it: an identity or a managed policy, with its tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadstead.access.resource import Named
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.entities import KINDS, Resources, entity_resource, name_of
from roadstead.services.iam.policy_arns import policy_resources
from roadstead.services.operation import Context


def named_by(member: str) -> Resources:
    """A reader of the ARN in a member of the request. What is not there, or another account's, is named by its ARN alone."""

    async def read(ctx: Context, request: Mapping[str, Any]) -> list[Named]:
        return [await _named(ctx, str(request[member]))]

    return read


async def _named(ctx: Context, text: str) -> Named:
    try:
        arn = Arn.parse(text)
    except InvalidArn:
        return text
    kind, _, name = name_of(arn)
    if arn.service == "iam" and kind == "policy":
        return (await policy_resources(ctx, {"PolicyArn": text}))[0]
    if arn.service == "iam" and kind in KINDS and arn.account == ctx.account:
        known = await entity_resource(ctx, KINDS[kind], name)
        return known if known.arn == arn else arn
    return arn
