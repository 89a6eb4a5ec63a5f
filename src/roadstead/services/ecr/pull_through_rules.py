"""Pull through cache rules: CreatePullThroughCacheRule and its kin. `pull_through` fetches by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Row, delete, func, insert, select, update

from roadstead.services.ecr.errors import (
    InvalidParameterException,
    PullThroughCacheRuleAlreadyExistsException,
    PullThroughCacheRuleNotFoundException,
)
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.paging import ecr_page, refuse_page_of_named
from roadstead.services.ecr.prefixes import ROOT, normal_prefix, prefixes_of, rest_of
from roadstead.services.ecr.pull_through_sign_in import check_first_sign_in, check_sign_in
from roadstead.services.ecr.quotas import check_quota
from roadstead.services.ecr.registry_events import emit_registry
from roadstead.services.ecr.requests import Response, named_registry_resource, registry_id
from roadstead.services.ecr.tables import pull_through_rules, registry_of
from roadstead.services.ecr.upstreams import NamedRegistry, named_registry, registry_here
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import (
        CreatePullThroughCacheRuleRequestTypeDef,
        DeletePullThroughCacheRuleRequestTypeDef,
        DescribePullThroughCacheRulesRequestTypeDef,
        UpdatePullThroughCacheRuleRequestTypeDef,
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: repositories below `prefix` hold what repositories below `upstream_prefix` of a registry hold."""

    prefix: str
    upstream_prefix: str
    url: str
    registry: str | None
    credential_arn: str | None
    role_arn: str | None
    created_at: datetime
    updated_at: datetime

    def upstream_name(self, name: str) -> str:
        """The upstream's name of a repository that the rule is about."""
        rest = rest_of(name, self.prefix)
        return rest if self.upstream_prefix == ROOT else f"{self.upstream_prefix}/{rest}"

    def describe(self, registry: str, *times: str) -> Response:
        """The rule as the API prints it; `times` are those of createdAt and updatedAt that the operation has."""
        parts = {
            "ecrRepositoryPrefix": self.prefix,
            "upstreamRepositoryPrefix": self.upstream_prefix,
            "upstreamRegistryUrl": self.url,
            "upstreamRegistry": self.registry,
            "registryId": registry,
            "credentialArn": self.credential_arn,
            "customRoleArn": self.role_arn,
        }
        moments = {"createdAt": self.created_at, "updatedAt": self.updated_at}
        described: Response = {name: value for name, value in parts.items() if value is not None}
        return described | {name: moments[name] for name in times}


@operation("ecr:CreatePullThroughCacheRule", resources=named_registry_resource)
async def create_pull_through_cache_rule(ctx: Context, request: CreatePullThroughCacheRuleRequestTypeDef) -> Response:
    """Hold what another registry has below a prefix (API reference: CreatePullThroughCacheRule)."""
    account, prefix = registry_id(ctx, request), normal_prefix(request["ecrRepositoryPrefix"])
    named = named_registry(ctx.deployment, request["upstreamRegistryUrl"], request.get("upstreamRegistry"))
    upstream_prefix = normal_prefix(request.get("upstreamRepositoryPrefix", ROOT))
    if prefix == ROOT != upstream_prefix:
        constraint = "a prefix upstream needs another ecrRepositoryPrefix than ROOT"
        raise InvalidParameterException.at("upstreamRepositoryPrefix", constraint)
    await check_first_sign_in(ctx, named, request)
    if await _row(ctx.tx, account, ctx.region, prefix) is not None:
        raise PullThroughCacheRuleAlreadyExistsException.of(account, prefix)
    mine = registry_of(pull_through_rules, account, ctx.region)
    present = (await ctx.tx.execute(select(func.count()).select_from(pull_through_rules).where(mine))).scalar()
    message = "The registry has all the pull through cache rules it may have"
    check_quota(ctx.deployment, "PullThroughCacheRules", int(present or 0), message)
    now = ctx.clock.now()
    rule = Rule(
        prefix=prefix,
        upstream_prefix=upstream_prefix,
        url=named.host,
        registry=named.name,
        credential_arn=request.get("credentialArn"),
        role_arn=request.get("customRoleArn") or None,
        created_at=now,
        updated_at=now,
    )
    await ctx.tx.execute(insert(pull_through_rules).values(account=account, region=ctx.region, **_values(rule)))
    emit_registry(ctx.tx, account, ctx.region, "rule-created", prefix=prefix)
    return rule.describe(account, "createdAt")


@operation("ecr:UpdatePullThroughCacheRule", resources=named_registry_resource)
async def update_pull_through_cache_rule(ctx: Context, request: UpdatePullThroughCacheRuleRequestTypeDef) -> Response:
    """Give a rule other credentials or another role (API reference: UpdatePullThroughCacheRule)."""
    account, prefix = registry_id(ctx, request), normal_prefix(request["ecrRepositoryPrefix"])
    rule = await _require(ctx.tx, account, ctx.region, prefix)
    named = NamedRegistry(rule.url, rule.registry, here=registry_here(ctx.deployment, rule.url))
    await check_sign_in(ctx, named, request)
    changes: dict[str, object] = {"updated_at": ctx.clock.now()}
    if "credentialArn" in request:
        changes["credential_arn"] = request["credentialArn"]
    if request.get("customRoleArn"):
        changes["custom_role_arn"] = request.get("customRoleArn")
    mine = registry_of(pull_through_rules, account, ctx.region) & (pull_through_rules.c.prefix == prefix)
    await ctx.tx.execute(update(pull_through_rules).where(mine).values(**changes))
    emit_registry(ctx.tx, account, ctx.region, "rule-updated", prefix=prefix)
    described = (await _require(ctx.tx, account, ctx.region, prefix)).describe(account, "updatedAt")
    return {name: value for name, value in described.items() if not name.startswith("upstreamRegistry")}


@operation("ecr:DeletePullThroughCacheRule", resources=named_registry_resource)
async def delete_pull_through_cache_rule(ctx: Context, request: DeletePullThroughCacheRuleRequestTypeDef) -> Response:
    """Fetch no more; what is held stays (API reference: DeletePullThroughCacheRule)."""
    account, prefix = registry_id(ctx, request), normal_prefix(request["ecrRepositoryPrefix"])
    rule = await _require(ctx.tx, account, ctx.region, prefix)
    mine = registry_of(pull_through_rules, account, ctx.region) & (pull_through_rules.c.prefix == prefix)
    await ctx.tx.execute(delete(pull_through_rules).where(mine))
    emit_registry(ctx.tx, account, ctx.region, "rule-deleted", prefix=prefix)
    described = rule.describe(account, "createdAt")
    return {name: value for name, value in described.items() if name != "upstreamRegistry"}


@operation("ecr:DescribePullThroughCacheRules", resources=named_registry_resource, reads=True)
async def describe_pull_through_cache_rules(
    ctx: Context, request: DescribePullThroughCacheRulesRequestTypeDef
) -> Response:
    """The rules, or those with the prefixes that are named (API reference: DescribePullThroughCacheRules)."""
    account = registry_id(ctx, request)
    refuse_page_of_named(request, "ecrRepositoryPrefixes")
    prefixes = request.get("ecrRepositoryPrefixes")
    if prefixes is not None:
        names = dict.fromkeys(normal_prefix(prefix) for prefix in prefixes)
        rules = [await _require(ctx.tx, account, ctx.region, name) for name in names]
        return {"pullThroughCacheRules": [rule.describe(account, "createdAt", "updatedAt") for rule in rules]}
    stmt = select(pull_through_rules).where(registry_of(pull_through_rules, account, ctx.region))
    page = await ecr_page(ctx, request, "DescribePullThroughCacheRules", stmt, [pull_through_rules.c.prefix])
    response: Response = {
        "pullThroughCacheRules": [_rule(row).describe(account, "createdAt", "updatedAt") for row in page.rows]
    }
    if page.next_token is not None:
        response["nextToken"] = page.next_token
    return response


async def require_rule(tx: Transaction, account: str, region: str, prefix: str) -> Rule:
    """The rule of a prefix; raises PullThroughCacheRuleNotFoundException."""
    return await _require(tx, account, region, normal_prefix(prefix))


async def rule_for(tx: Transaction, key: RepositoryKey) -> Rule | None:
    """The rule with the longest prefix of the repository's name, or None."""
    prefixes = prefixes_of(key.name)
    mine = registry_of(pull_through_rules, key.account, key.region) & pull_through_rules.c.prefix.in_(prefixes)
    found = {str(row.prefix): row for row in (await tx.execute(select(pull_through_rules).where(mine))).all()}
    return next((_rule(found[prefix]) for prefix in prefixes if prefix in found), None)


async def _row(tx: Transaction, account: str, region: str, prefix: str) -> Row[*tuple[object, ...]] | None:
    mine = registry_of(pull_through_rules, account, region) & (pull_through_rules.c.prefix == prefix)
    return (await tx.execute(select(pull_through_rules).where(mine))).one_or_none()


async def _require(tx: Transaction, account: str, region: str, prefix: str) -> Rule:
    row = await _row(tx, account, region, prefix)
    if row is None:
        raise PullThroughCacheRuleNotFoundException.of(account, prefix)
    return _rule(row)


def _values(rule: Rule) -> dict[str, object]:
    return {
        "prefix": rule.prefix,
        "upstream_prefix": rule.upstream_prefix,
        "upstream_url": rule.url,
        "upstream_registry": rule.registry,
        "credential_arn": rule.credential_arn,
        "custom_role_arn": rule.role_arn,
        "created_at": rule.created_at,
        "updated_at": rule.updated_at,
    }


def _rule(row: Row[*tuple[object, ...]]) -> Rule:
    return Rule(
        prefix=row.prefix,
        upstream_prefix=row.upstream_prefix,
        url=row.upstream_url,
        registry=row.upstream_registry,
        credential_arn=row.credential_arn,
        role_arn=row.custom_role_arn,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
