"""IAM's quotas, under the names that its errors use; those that AWS raises on request can be raised here by the deployment's settings.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

from types import MappingProxyType

from sqlalchemy import Table, func, select

from roadstead.kernel.settings import Deployment
from roadstead.services.iam.errors import LimitExceededException
from roadstead.services.operation import Context

FIXED = MappingProxyType(
    {
        "AccessKeysPerUser": 2,
        "ClientIdsPerOpenIdConnectProvider": 100,
        "GroupsPerUser": 10,
        "MFADevicesPerUser": 8,
        "PoliciesPerGroup": 10,
        "PolicySize": 6144,
        "TagsPerResource": 50,
        "UsersPerAccount": 5000,
        "VersionsPerPolicy": 5,
    }
)
"""What AWS raises for nobody."""

ADJUSTABLE = MappingProxyType(
    {
        "ACLSizePerRole": (2048, 8192),
        "GroupsPerAccount": (300, 500),
        "InstanceProfilesPerAccount": (1000, 10000),
        "OpenIdConnectProvidersPerAccount": (100, 700),
        "PoliciesPerAccount": (1500, 10000),
        "PoliciesPerRole": (10, 25),
        "PoliciesPerUser": (10, 20),
        "RolesPerAccount": (1000, 10000),
    }
)
"""The default, and how far AWS raises it."""

INLINE_SIZES = MappingProxyType({"user": 2048, "group": 5120, "role": 10240})
"""Characters of all inline policies of one entity together, white space aside."""


def quota(deployment: Deployment, name: str) -> int:
    """How many of `name` there may be: the deployment's number, within what AWS allows, or AWS's default."""
    if name in FIXED:
        return FIXED[name]
    default, most = ADJUSTABLE[name]
    return min(deployment.iam_quotas.get(name, default), most)


def check_quota(ctx: Context, name: str, present: int) -> None:
    """Return when one more fits beside those `present`; raises LimitExceeded."""
    limit = quota(ctx.deployment, name)
    if present >= limit:
        raise LimitExceededException(f"Cannot exceed quota for {name}: {limit}")


async def check_account_quota(ctx: Context, name: str, table: Table) -> None:
    """Return when the account may have one more row of `table`; raises LimitExceeded."""
    stmt = select(func.count()).select_from(table).where(table.c.account == ctx.account)
    check_quota(ctx, name, int((await ctx.tx.execute(stmt)).scalar() or 0))


def policy_size(document: str) -> int:
    """The characters of a policy as quotas count them: without white space."""
    return len("".join(document.split()))
