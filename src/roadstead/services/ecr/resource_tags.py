"""Resource tags of repositories: ListTagsForResource, TagResource, UntagResource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from roadstead.services.ecr.errors import (
    InvalidParameterException,
    InvalidTagParameterException,
    RepositoryNotFoundException,
    TooManyTagsException,
)
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.repository_events import emit_repository
from roadstead.services.ecr.requests import Response, place_of, request_tags, tagged_repository, tagged_resource
from roadstead.services.ecr.tables import repositories, within
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        ListTagsForResourceRequestTypeDef,
        TagResourceRequestTypeDef,
        TagTypeDef,
        UntagResourceRequestTypeDef,
    )

MAX_TAGS = 50


def checked_tags(tags: Iterable[TagTypeDef], present: Mapping[str, str] | None = None) -> dict[str, str]:
    """`present` with `tags` added; raises InvalidTagParameterException or TooManyTagsException."""
    merged = dict(present or {})
    seen: set[str] = set()
    for tag in tags:
        name, value = tag.get("Key", ""), tag.get("Value", "")  # ECR Public's model requires neither
        if not 1 <= len(name) <= 128 or len(value) > 256 or name.lower().startswith("aws:"):
            raise InvalidTagParameterException(f"Invalid parameter at 'tags' failed to satisfy constraint: '{name}'")
        if name in seen:
            raise InvalidTagParameterException(f"Duplicate tag key '{name}'")
        seen.add(name)
        merged[name] = value
    if len(merged) > MAX_TAGS:
        raise TooManyTagsException(f"The number of tags exceeds the maximum of {MAX_TAGS} tags for a resource")
    return merged


@operation("ecr:ListTagsForResource", resources=tagged_resource, reads=True)
async def list_tags_for_resource(ctx: Context, request: ListTagsForResourceRequestTypeDef) -> Response:
    """The tags of a repository (API reference: ListTagsForResource)."""
    key = _repository_of(ctx, request["resourceArn"])
    tags = await _tags_of(ctx, key)
    return {"tags": [{"Key": name, "Value": value} for name, value in tags.items()]}


@operation("ecr:TagResource", resources=tagged_resource, keys=request_tags)
async def tag_resource(ctx: Context, request: TagResourceRequestTypeDef) -> Response:
    """Add or overwrite tags (API reference: TagResource)."""
    key = _repository_of(ctx, request["resourceArn"])
    await _write(ctx, key, checked_tags(request["tags"], await _tags_of(ctx, key)))
    return {}


@operation("ecr:UntagResource", resources=tagged_resource, keys=request_tags)
async def untag_resource(ctx: Context, request: UntagResourceRequestTypeDef) -> Response:
    """Take tags away; those that are not there are no error (API reference: UntagResource)."""
    key = _repository_of(ctx, request["resourceArn"])
    gone = set(request["tagKeys"])
    kept = {name: value for name, value in (await _tags_of(ctx, key)).items() if name not in gone}
    await _write(ctx, key, kept)
    return {}


def _repository_of(ctx: Context, text: str) -> RepositoryKey:
    key = tagged_repository(text)
    if key is None or key.region != place_of(ctx):
        raise InvalidParameterException.at("resourceArn", "Invalid ARN")
    return key


async def _tags_of(ctx: Context, key: RepositoryKey) -> dict[str, str]:
    row = (await ctx.tx.execute(select(repositories.c.tags).where(within(repositories, key)))).one_or_none()
    if row is None:
        raise RepositoryNotFoundException.of(key)
    return {str(name): str(value) for name, value in dict(row.tags).items()}


async def _write(ctx: Context, key: RepositoryKey, tags: Mapping[str, str]) -> None:
    await ctx.tx.execute(update(repositories).where(within(repositories, key)).values(tags=dict(tags)))
    emit_repository(ctx.tx, key, "tagged")
