"""What other services and the server ask of IAM, in their own transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from roadstead.access.resource import Named, Resource, resource_tags
from roadstead.access.tables import roles, users
from roadstead.core.policy.document import PolicyDocument, parse_policy
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.entities import ROLE, entity_arn, entity_resource, name_of
from roadstead.services.iam.founding import (
    ADMINISTRATOR,
    IssuedKey,
    NewAccount,
    account_with_administrator,
    first_key,
    has_user,
    remove_user,
    user_with_key,
)
from roadstead.services.iam.issuer_client import (
    IssuerAway,
    IssuerClient,
    IssuerFailed,
    IssuerUntrusted,
    issuer_client,
)
from roadstead.services.iam.mfa_codes import MfaCodes
from roadstead.services.iam.oidc_providers import Provider, find_provider
from roadstead.services.iam.oidc_urls import BadUrl, ProviderUrl, checked_url, provider_url
from roadstead.services.iam.outbound_federation import ISSUERS, is_outbound_issuer, outbound_issuer
from roadstead.services.iam.passwords import Passwords
from roadstead.services.iam.service_linked_roles import ensure_linked_role, linked_role_arn
from roadstead.services.iam.tag_rows import read_tags
from roadstead.services.iam.user_mfa import use_mfa_code
from roadstead.services.iam.uses import UseRecorder
from roadstead.services.operation import Context
from roadstead.store import Transaction

__all__ = [
    "ADMINISTRATOR",
    "ISSUERS",
    "BadUrl",
    "IssuedKey",
    "IssuerAway",
    "IssuerClient",
    "IssuerFailed",
    "IssuerUntrusted",
    "MfaCodes",
    "NewAccount",
    "Passwords",
    "Provider",
    "ProviderUrl",
    "Role",
    "UseRecorder",
    "account_with_administrator",
    "checked_url",
    "ensure_linked_role",
    "find_provider",
    "first_key",
    "has_user",
    "identity_tags",
    "is_outbound_issuer",
    "issuer_client",
    "linked_role_arn",
    "outbound_issuer",
    "pass_to_service",
    "provider_url",
    "remove_user",
    "role_by_arn",
    "role_resource",
    "use_mfa_code",
    "user_exists",
    "user_with_key",
]


@dataclass(frozen=True, slots=True)
class Role:
    """A role as other services see it."""

    arn: Arn
    role_id: str
    trust_text: str
    max_session_duration: int
    """Seconds."""
    tags: Mapping[str, str]

    @property
    def trust_policy(self) -> PolicyDocument:
        """Who may be the role."""
        return parse_policy(self.trust_text, trust=True)


async def pass_to_service(ctx: Context, roles: Sequence[str], service: str) -> None:
    """Require iam:PassRole on the roles (ARNs) that a request hands to a service (`ecs-tasks.amazonaws.com`)."""
    passed = [await _passed(ctx, role) for role in sorted(set(roles))]
    if passed:
        await ctx.authorise("iam:PassRole", passed, {"iam:PassedToService": service})


async def _passed(ctx: Context, text: str) -> Named:
    """The role with its tags; without, where it is another account's or has another path, or where the text is no ARN."""
    try:
        arn = Arn.parse(text)
    except InvalidArn:
        return text
    kind, _, name = name_of(arn)
    if kind == "role" and arn.account == ctx.account:
        known = await entity_resource(ctx, ROLE, name)
        if known.arn == arn:
            return known
    return arn


async def role_by_arn(tx: Transaction, arn: Arn) -> Role | None:
    """The role with exactly this ARN, its path included."""
    kind, _, rest = arn.resource.partition("/")
    name = rest.rsplit("/", 1)[-1]
    stmt = select(roles).where(roles.c.account == arn.account, roles.c.role_name == name)
    row = (await tx.execute(stmt)).one_or_none()
    if kind != "role" or row is None or entity_arn(arn.account, "role", row.path, name) != arn:
        return None
    return Role(
        arn=arn,
        role_id=str(row.role_id),
        trust_text=str(row.trust_policy),
        max_session_duration=int(row.max_session_duration),
        tags=await read_tags(tx, arn.account, "role", name),
    )


def role_resource(role: Role) -> Resource:
    """A role as the decision about who may be it sees it: with its trust policy and its tags."""
    return Resource(role.arn, resource_tags(role.tags, "iam"), policy=role.trust_text, trust=True)


async def identity_tags(tx: Transaction, identity: Arn) -> dict[str, str]:
    """The tags of a user or role."""
    kind, _, name = name_of(identity)
    return await read_tags(tx, identity.account, kind, name)


async def user_exists(tx: Transaction, account: str, name: str) -> bool:
    """Whether the account has a user of this name."""
    stmt = select(users.c.user_name).where(users.c.account == account, users.c.user_name == name)
    return (await tx.execute(stmt)).one_or_none() is not None
