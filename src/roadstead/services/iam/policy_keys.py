"""GetContextKeysForCustomPolicy and GetContextKeysForPrincipalPolicy: what a simulation of these policies wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadstead.services.iam.named import named_by
from roadstead.services.iam.simulated_policies import Collected, of_principal, passed
from roadstead.services.operation import Context, operation


@operation("iam:GetContextKeysForCustomPolicy", reads=True)
async def get_context_keys_for_custom_policy(ctx: Context, request: Mapping[str, Any]) -> dict[str, list[str]]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForCustomPolicy.html."""
    del ctx
    policies = Collected(identity=passed(request["PolicyInputList"], "PolicyInputList"))
    return {"ContextKeyNames": policies.keys()}


@operation("iam:GetContextKeysForPrincipalPolicy", resources=named_by("PolicySourceArn"), reads=True)
async def get_context_keys_for_principal_policy(ctx: Context, request: Mapping[str, Any]) -> dict[str, list[str]]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForPrincipalPolicy.html."""
    policies = await of_principal(ctx, request)
    policies.boundary, policies.service_control = None, []
    return {"ContextKeyNames": policies.keys()}
