"""What belongs to the whole account: its alias, its summary, and which session tokens the global endpoint gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, func, insert, select

from roadstead.access.tables import groups, managed_policies, managed_policy_versions, roles, users
from roadstead.services.iam.errors import EntityAlreadyExistsException, NoSuchEntityException
from roadstead.services.iam.quotas import INLINE_SIZES, quota
from roadstead.services.iam.tables import (
    account_aliases,
    instance_profiles,
    mfa_devices,
    oidc_providers,
    sts_preferences,
)
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateAccountAliasRequestTypeDef,
        DeleteAccountAliasRequestTypeDef,
        SetSecurityTokenServicePreferencesRequestTypeDef,
    )

_VERSIONS_IN_USE = 10000
_TOKEN_VERSIONS = {"v1Token": 1, "v2Token": 2}


@operation("iam:CreateAccountAlias")
async def create_account_alias(ctx: Context, request: CreateAccountAliasRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html: it replaces the one before."""
    alias = request["AccountAlias"]
    stmt = select(account_aliases.c.account).where(account_aliases.c.alias == alias)
    if (await ctx.tx.execute(stmt)).one_or_none() is not None:
        raise EntityAlreadyExistsException(f"The account alias {alias} already exists.")
    await ctx.tx.execute(delete(account_aliases).where(account_aliases.c.account == ctx.account))
    await ctx.tx.execute(insert(account_aliases).values(account=ctx.account, alias=alias))
    return {}


@operation("iam:ListAccountAliases", reads=True)
async def list_account_aliases(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccountAliases.html: one at most."""
    del request
    stmt = select(account_aliases.c.alias).where(account_aliases.c.account == ctx.account)
    aliases = [str(row.alias) for row in (await ctx.tx.execute(stmt)).all()]
    return {"AccountAliases": aliases, "IsTruncated": False}


@operation("iam:DeleteAccountAlias")
async def delete_account_alias(ctx: Context, request: DeleteAccountAliasRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccountAlias.html."""
    stmt = delete(account_aliases).where(
        account_aliases.c.account == ctx.account, account_aliases.c.alias == request["AccountAlias"]
    )
    if (await ctx.tx.execute(stmt)).rowcount == 0:
        raise NoSuchEntityException(f"The account alias {request['AccountAlias']} cannot be found.")
    return {}


@operation("iam:SetSecurityTokenServicePreferences")
async def set_security_token_service_preferences(
    ctx: Context, request: SetSecurityTokenServicePreferencesRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SetSecurityTokenServicePreferences.html.

    Kept for the summary; every token here is good in every region.
    """
    version = _TOKEN_VERSIONS[request["GlobalEndpointTokenVersion"]]
    await ctx.tx.execute(delete(sts_preferences).where(sts_preferences.c.account == ctx.account))
    await ctx.tx.execute(insert(sts_preferences).values(account=ctx.account, global_endpoint_token_version=version))
    return {}


@operation("iam:GetAccountSummary", reads=True)
async def get_account_summary(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html: what there is, and the quotas."""
    del request

    async def count(table: Table, *conditions: Any) -> int:
        stmt = select(func.count()).select_from(table).where(table.c.account == ctx.account, *conditions)
        return int((await ctx.tx.execute(stmt)).scalar() or 0)

    def limit(name: str) -> int:
        return quota(ctx.deployment, name)

    preference = select(sts_preferences.c.global_endpoint_token_version).where(sts_preferences.c.account == ctx.account)
    summary = {
        "Users": await count(users),
        "UsersQuota": limit("UsersPerAccount"),
        "Groups": await count(groups),
        "GroupsQuota": limit("GroupsPerAccount"),
        "Roles": await count(roles),
        "RolesQuota": limit("RolesPerAccount"),
        "Policies": await count(managed_policies),
        "PoliciesQuota": limit("PoliciesPerAccount"),
        "PolicySizeQuota": limit("PolicySize"),
        "PolicyVersionsInUse": await count(managed_policy_versions),
        "PolicyVersionsInUseQuota": _VERSIONS_IN_USE,
        "VersionsPerPolicyQuota": limit("VersionsPerPolicy"),
        "InstanceProfiles": await count(instance_profiles),
        "InstanceProfilesQuota": limit("InstanceProfilesPerAccount"),
        "Providers": await count(oidc_providers),
        "MFADevices": await count(mfa_devices),
        "MFADevicesInUse": await count(mfa_devices, mfa_devices.c.user_name.is_not(None)),
        "UserPolicySizeQuota": INLINE_SIZES["user"],
        "GroupPolicySizeQuota": INLINE_SIZES["group"],
        "RolePolicySizeQuota": INLINE_SIZES["role"],
        "AssumeRolePolicySizeQuota": limit("ACLSizePerRole"),
        "GroupsPerUserQuota": limit("GroupsPerUser"),
        "AccessKeysPerUserQuota": limit("AccessKeysPerUser"),
        "AttachedPoliciesPerGroupQuota": limit("PoliciesPerGroup"),
        "AttachedPoliciesPerRoleQuota": limit("PoliciesPerRole"),
        "AttachedPoliciesPerUserQuota": limit("PoliciesPerUser"),
        "ServerCertificates": 0,
        "ServerCertificatesQuota": 0,
        "SigningCertificatesPerUserQuota": 0,
        "AccountMFAEnabled": 0,
        "AccountAccessKeysPresent": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "GlobalEndpointTokenVersion": int((await ctx.tx.execute(preference)).scalar() or 1),
    }
    return {"SummaryMap": summary}
