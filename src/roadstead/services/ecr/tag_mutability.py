"""PutImageTagMutability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from roadstead.services.ecr.mutability import Mutability
from roadstead.services.ecr.repositories import require_repository
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import Response, repository_key, repository_resource
from roadstead.services.ecr.tables import repositories, within
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import PutImageTagMutabilityRequestTypeDef


@operation("ecr:PutImageTagMutability", resources=repository_resource)
async def put_image_tag_mutability(ctx: Context, request: PutImageTagMutabilityRequestTypeDef) -> Response:
    """Say whether tags can be moved, and which are exceptions (API reference: PutImageTagMutability)."""
    key = repository_key(ctx, request)
    await require_repository(ctx.tx, key)
    mutability = Mutability.requested(request)
    await ctx.tx.execute(
        update(repositories)
        .where(within(repositories, key))
        .values(tag_mutability=mutability.setting.value, mutability_exclusions=list(mutability.exclusions))
    )
    emit_repository(ctx.tx, key, "mutability")
    return {"registryId": key.account, "repositoryName": key.name, **mutability.describe()}
