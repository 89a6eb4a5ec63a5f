"""The registry policy: PutRegistryPolicy, GetRegistryPolicy, DeleteRegistryPolicy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadstead.services.ecr.errors import RegistryPolicyNotFoundException
from roadstead.services.ecr.policy_texts import check_registry_policy
from roadstead.services.ecr.registries import read_registry, write_registry
from roadstead.services.ecr.registry_events import emit_registry
from roadstead.services.ecr.requests import Response, registry_resource
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import PutRegistryPolicyRequestTypeDef


@operation("ecr:PutRegistryPolicy", resources=registry_resource)
async def put_registry_policy(ctx: Context, request: PutRegistryPolicyRequestTypeDef) -> Response:
    """Give the registry a policy, or another one (API reference: PutRegistryPolicy)."""
    text = request["policyText"]
    check_registry_policy(text)
    await write_registry(ctx.tx, ctx.account, ctx.region, policy=text)
    emit_registry(ctx.tx, ctx.account, ctx.region, "policy")
    return {"registryId": ctx.account, "policyText": text}


@operation("ecr:GetRegistryPolicy", resources=registry_resource, reads=True)
async def get_registry_policy(ctx: Context, request: object) -> Response:
    """The policy as it was put (API reference: GetRegistryPolicy)."""
    del request
    return {"registryId": ctx.account, "policyText": await _require_policy(ctx)}


@operation("ecr:DeleteRegistryPolicy", resources=registry_resource)
async def delete_registry_policy(ctx: Context, request: object) -> Response:
    """Take the policy away (API reference: DeleteRegistryPolicy)."""
    del request
    text = await _require_policy(ctx)
    await write_registry(ctx.tx, ctx.account, ctx.region, policy=None)
    emit_registry(ctx.tx, ctx.account, ctx.region, "policy")
    return {"registryId": ctx.account, "policyText": text}


async def _require_policy(ctx: Context) -> str:
    text = (await read_registry(ctx.tx, ctx.account, ctx.region)).policy
    if text is None:
        raise RegistryPolicyNotFoundException.of(ctx.account)
    return text
