"""AssumeRoleWithWebIdentity: a token of an identity provider, instead of a signature, opens a session of a role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.resource import KeyValues
from roadstead.access.sessions import role_session
from roadstead.core.web_identity import BadClaims, Flaw, WebIdentity, issuer_of, web_identity
from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.services.iam.api import BadUrl, Provider, find_provider, provider_url
from roadstead.services.operation import Context, Outside, operation
from roadstead.services.sts.answers import opened
from roadstead.services.sts.assume_role import assumed, authorise_passing
from roadstead.services.sts.chaining import Chain
from roadstead.services.sts.claim_keys import further_claims
from roadstead.services.sts.errors import ExpiredTokenException, InvalidIdentityTokenException, InvalidParameterValue
from roadstead.services.sts.issuer_keys import IssuerKeys
from roadstead.services.sts.passed import MAX_TAGS, checked_tags, limits_of, packed_size, tag_keys
from roadstead.services.sts.roles import require_role, role_arn, session_length, wanted_role
from roadstead.services.sts.web_token import BadSignature, NotAToken, read_token, verify

if TYPE_CHECKING:
    from types_boto3_sts.type_defs import AssumeRoleWithWebIdentityRequestTypeDef

_NO_TOKEN = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
_KEPT = ("amr", "aud", "sub")
_BAD_SIGNATURE = "The signature of the ID Token does not hold with any key of its provider"


@dataclass(frozen=True, slots=True)
class Proof:
    """A token that holds: who vouches, and for whom."""

    provider: Provider
    identity: WebIdentity

    @property
    def principal(self) -> Principal:
        """Who asks for the role."""
        arn = self.provider.arn
        return Principal(
            kind=PrincipalKind.WEB_IDENTITY,
            account="",
            arn=arn,
            identity_arn=arn,
            user_id=f"{arn}:{self.identity.audience}:{self.identity.subject}",
            access_key_id="",
        )

    @property
    def passed(self) -> Chain:
        """The tags and the source identity that the token brings; raises InvalidParameterValue."""
        tags = checked_tags(self.identity.tags.items())
        if len(tags) > MAX_TAGS:
            raise InvalidParameterValue(f"A session has at most {MAX_TAGS} tags.")
        if any(key not in tags for key in self.identity.transitive):
            raise InvalidParameterValue("The specified transitive tag key must be included in the requested tags.")
        return Chain(tags, self.identity.transitive, self.identity.source_identity)


async def _proof(outside: Outside, request: Mapping[str, Any]) -> Proof:
    """Verify the token with its provider's keys; raises STS's errors."""
    if "ProviderId" in request:
        raise NotImplementedByRoadstead(
            "OAuth 2.0 access tokens (the parameter ProviderId of sts:AssumeRoleWithWebIdentity) are not implemented by Roadstead."
        )
    account = role_arn(request["RoleArn"]).account
    try:
        token = read_token(request["WebIdentityToken"])
        issuer = issuer_of(token.claims)
        url = provider_url(issuer)
    except (NotAToken, BadUrl) as error:
        raise InvalidIdentityTokenException(_NO_TOKEN) from error
    except BadClaims as error:
        raise InvalidIdentityTokenException(str(error)) from error
    async with outside.store.snapshot() as tx:
        provider = await find_provider(tx, account, url.name)
    if provider is None or provider.url != url:
        raise InvalidIdentityTokenException(f"No OpenIDConnect provider found in your account for {issuer}")
    keys = await outside.component(IssuerKeys).candidates(provider, token.header)
    try:
        verify(token, keys)
        now = outside.clock.now().timestamp()
        identity = web_identity(token.claims, provider.client_ids, now, further_claims(url.name))
    except BadSignature as error:
        raise InvalidIdentityTokenException(_BAD_SIGNATURE) from error
    except BadClaims as error:
        kind = ExpiredTokenException if error.flaw is Flaw.EXPIRED else InvalidIdentityTokenException
        raise kind(str(error)) from error
    return Proof(provider, identity)


def _kept(proof: Proof) -> dict[str, str | tuple[str, ...]]:
    """The condition keys that the session keeps of its token."""
    keys, name = proof.identity.keys, proof.provider.url.name
    found = {f"{name}:{claim}": keys[claim] for claim in _KEPT if claim in keys}
    return {key: value if isinstance(value, str) else tuple(value) for key, value in found.items()}


def _proved(ctx: Context) -> Proof:
    if not isinstance(ctx.prepared, Proof):
        raise TypeError("a web identity was not proved")
    return ctx.prepared


async def _keys(ctx: Context, request: Mapping[str, Any]) -> KeyValues:
    proof = _proved(ctx)
    given, name = proof.passed, proof.provider.url.name
    keys: dict[str, str | Sequence[str]] = {f"{name}:{claim}": value for claim, value in proof.identity.keys.items()}
    keys |= {"sts:RoleSessionName": request["RoleSessionName"], **tag_keys(given.tags, given.transitive)}
    if given.source_identity is not None:
        keys["sts:SourceIdentity"] = given.source_identity
    return keys


@operation("sts:AssumeRoleWithWebIdentity", resources=wanted_role, keys=_keys, before=_proof, signed=False, reads=True)
async def assume_role_with_web_identity(
    ctx: Context, request: AssumeRoleWithWebIdentityRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html."""
    proof = _proved(ctx)
    provider, identity, given = proof.provider, proof.identity, proof.passed
    if await find_provider(ctx.tx, provider.account, provider.url.name) != provider:
        raise InvalidIdentityTokenException(f"No OpenIDConnect provider found in your account for {provider.url}")
    await authorise_passing(ctx, request, given, await _keys(ctx, request))
    role = await require_role(ctx, request)
    lasts = session_length(role, ctx.principal, request)
    limits = await limits_of(ctx.tx, role.arn.account, request, given.tags)
    now, name = ctx.clock.now(), request["RoleSessionName"]
    session = replace(
        role_session(role=role.arn, role_id=role.role_id, session_name=name, now=now, expires=now + lasts),
        session_policies=limits.policies,
        session_policy_arns=limits.policy_arns,
        session_tags=limits.tags,
        transitive_tag_keys=given.transitive,
        source_identity=given.source_identity,
        federated_provider=str(provider.arn),
        provider_keys=_kept(proof),
    )
    return {
        **opened(ctx, session, request),
        **assumed(session),
        **packed_size(limits),
        "SubjectFromWebIdentityToken": identity.subject,
        "Audience": identity.audience,
        "Provider": str(provider.arn),
    }
