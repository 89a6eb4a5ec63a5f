"""Tags of users, roles, policies, instance profiles, MFA devices and OIDC providers: Tag, Untag and ListTags, the same three functions for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from roadstead.access.revisions import touch_account
from roadstead.services.iam.entities import ROLE, USER, EntityKind, Resources, named, require_entity, require_modifiable
from roadstead.services.iam.instance_profiles import profile_resources, require_profile
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.mfa_devices import device_resources, require_device
from roadstead.services.iam.oidc_providers import KIND as OIDC_PROVIDER
from roadstead.services.iam.oidc_providers import provider_name, provider_resources
from roadstead.services.iam.policy_arns import policy_resources, require_own_policy, require_policy
from roadstead.services.iam.tag_rows import add_tags, read_tags, remove_tags, request_tag_keys, tag_list
from roadstead.services.operation import Context, operation

FindName = Callable[[Context, Mapping[str, Any]], Awaitable[str]]
"""Finds the name under which a resource's tags are kept; raises NoSuchEntity."""


@dataclass(frozen=True, slots=True)
class _Taggable:
    title: str
    stored: str
    resources: Resources
    changing: FindName
    reading: FindName


def _entity(kind: EntityKind) -> _Taggable:
    async def changing(ctx: Context, request: Mapping[str, Any]) -> str:
        await require_modifiable(ctx, kind, request[kind.member])
        return request[kind.member]

    async def reading(ctx: Context, request: Mapping[str, Any]) -> str:
        await require_entity(ctx, kind, request[kind.member])
        return request[kind.member]

    return _Taggable(kind.title, kind.stored, named(kind), changing, reading)


async def _own_policy(ctx: Context, request: Mapping[str, Any]) -> str:
    return (await require_own_policy(ctx, request["PolicyArn"])).name


async def _policy(ctx: Context, request: Mapping[str, Any]) -> str:
    policy = await require_policy(ctx, request["PolicyArn"])
    return policy.arn if policy.from_aws else policy.name


async def _profile(ctx: Context, request: Mapping[str, Any]) -> str:
    return str((await require_profile(ctx, request["InstanceProfileName"])).profile_name)


async def _device(ctx: Context, request: Mapping[str, Any]) -> str:
    return str((await require_device(ctx, request["SerialNumber"])).device_name)


_TAGGABLE = (
    _entity(USER),
    _entity(ROLE),
    _Taggable("Policy", "policy", policy_resources, _own_policy, _policy),
    _Taggable("InstanceProfile", "instance-profile", profile_resources, _profile, _profile),
    _Taggable("MFADevice", "mfa", device_resources, _device, _device),
    _Taggable("OpenIDConnectProvider", OIDC_PROVIDER, provider_resources, provider_name, provider_name),
)


def _declare(kind: _Taggable) -> None:
    @operation(f"iam:Tag{kind.title}", resources=kind.resources, keys=request_tag_keys)
    async def tag(ctx: Context, request: Mapping[str, Any]) -> dict[str, object]:
        await add_tags(ctx, kind.stored, await kind.changing(ctx, request), request["Tags"])
        await touch_account(ctx.tx, ctx.account)
        return {}

    @operation(f"iam:Untag{kind.title}", resources=kind.resources, keys=request_tag_keys)
    async def untag(ctx: Context, request: Mapping[str, Any]) -> dict[str, object]:
        name = await kind.changing(ctx, request)
        await remove_tags(ctx.tx, ctx.account, kind.stored, name, request["TagKeys"])
        await touch_account(ctx.tx, ctx.account)
        return {}

    @operation(f"iam:List{kind.title}Tags", resources=kind.resources, reads=True)
    async def list_tags(ctx: Context, request: Mapping[str, Any]) -> dict[str, object]:
        tags = tag_list(await read_tags(ctx.tx, ctx.account, kind.stored, await kind.reading(ctx, request)))
        page, more = page_of(tags, lambda tag: tag["Key"], request)
        return {"Tags": page, **more}

    del tag, untag, list_tags  # reached through the registry of operations


for _kind in _TAGGABLE:
    _declare(_kind)
