"""ListPoliciesGrantingServiceAccess: for each service, an identity's policies that grant something of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from roadstead.access.resource import Named
from roadstead.services.iam.entities import KINDS, entity_resource, name_of
from roadstead.services.iam.granting import HeldPolicy, check_named, granted_services, held_policies
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.policy_arns import policy_resources
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ListPoliciesGrantingServiceAccessRequestTypeDef


async def named_by_arn(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The identity or policy that a request names by its ARN."""
    arn = await check_named(ctx, request["Arn"])
    kind, _, name = name_of(arn)
    if kind == "policy":
        return await policy_resources(ctx, {"PolicyArn": request["Arn"]})
    return [await entity_resource(ctx, KINDS[kind], name)]


@operation("iam:ListPoliciesGrantingServiceAccess", resources=named_by_arn, reads=True)
async def list_policies_granting_service_access(
    ctx: Context, request: ListPoliciesGrantingServiceAccessRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPoliciesGrantingServiceAccess.html."""
    arn = await check_named(ctx, request["Arn"])
    granted = [(policy, granted_services(policy.document)) for policy in await held_policies(ctx, arn)]
    page, more = page_of(list(dict.fromkeys(request["ServiceNamespaces"])), str, request)
    entries = [
        {
            "ServiceNamespace": service,
            "Policies": [_view(policy) for policy, services in granted if services is None or service in services],
        }
        for service in page
    ]
    return {"PoliciesGrantingServiceAccess": entries, **more}


def _view(policy: HeldPolicy) -> dict[str, object]:
    if policy.arn is not None:
        return {"PolicyName": policy.name, "PolicyType": "MANAGED", "PolicyArn": policy.arn}
    return {
        "PolicyName": policy.name,
        "PolicyType": "INLINE",
        "EntityType": KINDS[policy.kind].title.upper(),
        "EntityName": policy.holder,
    }
