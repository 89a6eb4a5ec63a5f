"""ListPoliciesGrantingServiceAccess: for each service, an identity's policies that grant something of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadstead.services.iam.entities import KINDS
from roadstead.services.iam.granting import HeldPolicy, check_named, granted_services, held_policies
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.named import named_by
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ListPoliciesGrantingServiceAccessRequestTypeDef


@operation("iam:ListPoliciesGrantingServiceAccess", resources=named_by("Arn"), reads=True)
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
