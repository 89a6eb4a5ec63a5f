"""ValidatePullThroughCacheRule."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.pull_through import PullThrough
from roadstead.services.ecr.pull_through_rules import Rule, require_rule
from roadstead.services.ecr.requests import Response, named_registry_resource, registry_id
from roadstead.services.ecr.upstream import UpstreamError
from roadstead.services.operation import Context, Outside, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import ValidatePullThroughCacheRuleRequestTypeDef


async def _checked(outside: Outside, request: ValidatePullThroughCacheRuleRequestTypeDef) -> str | None:
    """Why the rule is of no use now, or None."""
    cache = outside.component(PullThrough)
    try:
        async with outside.store.snapshot() as tx:
            ctx = await outside.context(tx)
            rule = await _rule(ctx, request)
            key = RepositoryKey(registry_id(ctx, request), ctx.region, f"{rule.prefix}/library")
            upstream = await cache.upstream_of(tx, rule, key)
        await upstream.check()
    except UpstreamError as error:
        return str(error)
    return None


@operation("ecr:ValidatePullThroughCacheRule", resources=named_registry_resource, before=_checked, reads=True)
async def validate_pull_through_cache_rule(
    ctx: Context, request: ValidatePullThroughCacheRuleRequestTypeDef
) -> Response:
    """Whether the upstream of a rule answers and takes its credentials (API reference: ValidatePullThroughCacheRule)."""
    described = (await _rule(ctx, request)).describe(registry_id(ctx, request))
    described.pop("upstreamRegistry", None)
    failure = cast("str | None", ctx.prepared)
    return {**described, "isValid": failure is None, **({} if failure is None else {"failure": failure})}


async def _rule(ctx: Context, request: ValidatePullThroughCacheRuleRequestTypeDef) -> Rule:
    return await require_rule(ctx.tx, registry_id(ctx, request), ctx.region, request["ecrRepositoryPrefix"])
