"""Tokens for others: EnableOutboundWebIdentityFederation, Disable…, GetOutboundWebIdentityFederationInfo.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound.html. The account's issuer is an address of this deployment.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from roadstead.kernel.settings import Deployment
from roadstead.services.iam.errors import FeatureDisabledException, FeatureEnabledException
from roadstead.services.iam.tables import outbound_federation
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

ISSUERS = "/_roadstead/issuers/"
"""Where the discovery documents of accounts are, each below the id of its issuer."""


@dataclass(frozen=True, slots=True)
class OutboundIssuer:
    """Under which name an account vends tokens, and whether it does."""

    issuer_id: str
    enabled: bool

    def url(self, deployment: Deployment) -> str:
        """The `iss` of its tokens."""
        return f"{deployment.endpoint}{ISSUERS}{self.issuer_id}"


async def outbound_issuer(tx: Transaction, account: str) -> OutboundIssuer | None:
    """An account's issuer; None for one that never vended tokens."""
    stmt = select(outbound_federation).where(outbound_federation.c.account == account)
    row = (await tx.execute(stmt)).one_or_none()
    return OutboundIssuer(str(row.issuer_id), bool(row.enabled)) if row is not None else None


async def is_outbound_issuer(tx: Transaction, issuer_id: str) -> bool:
    """Whether an account vends, or once vended, tokens under this name."""
    stmt = select(outbound_federation.c.account).where(outbound_federation.c.issuer_id == issuer_id)
    return (await tx.execute(stmt)).one_or_none() is not None


@operation("iam:EnableOutboundWebIdentityFederation")
async def enable(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_EnableOutboundWebIdentityFederation.html: the issuer stays the same."""
    del request
    found = await outbound_issuer(ctx.tx, ctx.account)
    if found is not None and found.enabled:
        raise FeatureEnabledException("Outbound identity federation is already enabled for your AWS account.")
    if found is None:
        found = OutboundIssuer(str(uuid.uuid4()), enabled=True)
        values = {"account": ctx.account, "issuer_id": found.issuer_id, "enabled": True}
        await ctx.tx.execute(insert(outbound_federation).values(**values))
    else:
        await _set(ctx, enabled=True)
    return {"IssuerIdentifier": found.url(ctx.deployment)}


@operation("iam:DisableOutboundWebIdentityFederation")
async def disable(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DisableOutboundWebIdentityFederation.html: older tokens stay good."""
    del request
    found = await outbound_issuer(ctx.tx, ctx.account)
    if found is None or not found.enabled:
        raise FeatureDisabledException("Outbound identity federation is already disabled for your AWS account.")
    await _set(ctx, enabled=False)
    return {}


@operation("iam:GetOutboundWebIdentityFederationInfo", reads=True)
async def get_info(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetOutboundWebIdentityFederationInfo.html."""
    del request
    found = await outbound_issuer(ctx.tx, ctx.account)
    if found is None:
        raise FeatureDisabledException("Outbound identity federation is disabled for your AWS account.")
    return {"IssuerIdentifier": found.url(ctx.deployment), "JwtVendingEnabled": found.enabled}


async def _set(ctx: Context, *, enabled: bool) -> None:
    stmt = update(outbound_federation).where(outbound_federation.c.account == ctx.account)
    await ctx.tx.execute(stmt.values(enabled=enabled))
