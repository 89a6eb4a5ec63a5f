"""Authenticate and authorise, in the transaction of the request."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

from roadstead.access.decided import Decided
from roadstead.access.errors import AccessDenied, AuthenticationError, AuthenticationFailure
from roadstead.access.identities import Identities, IdentityCache
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal
from roadstead.access.request_keys import principal_keys, requester_of
from roadstead.access.resource import KeyValues, Named, Resource
from roadstead.access.sealing import ExpiredSeal, InvalidSeal, Sealer
from roadstead.access.sessions import open_session
from roadstead.access.signed_request import SignatureClaim, check_time, read_claim, text_to_verify
from roadstead.core.policy.compile import Request, compiled_text
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.trace import Origin, PolicyKind, PolicySource
from roadstead.core.sigv4 import SignableRequest, signing_key
from roadstead.kernel.clock import Clock
from roadstead.store import Transaction

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and"
    " signing method. Consult the service documentation for details."
)
_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_SESSION = PolicySource("session policy", PolicyKind.SESSION)
_TRUST = PolicySource(kind=PolicyKind.TRUST)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated principal and the region and service that it signed for."""

    principal: Principal
    region: str
    service: str


class Gatekeeper:
    """What a server holds to let callers in: sealing keys, master key, caches."""

    def __init__(self, sealer: Sealer, master: MasterKey, clock: Clock) -> None:
        self.sealer = sealer
        self.master = master
        self._clock = clock
        self._cache = IdentityCache(master)

    def at(self, tx: Transaction) -> Gate:
        """The gate as this transaction sees it."""
        return Gate(self, Identities(self._cache, tx), self._clock)


class Gate:
    """One transaction's view: decides with what the transaction reads."""

    def __init__(self, keeper: Gatekeeper, identities: Identities, clock: Clock) -> None:
        self._keeper = keeper
        self._identities = identities
        self._clock = clock
        self.decisions: list[Decided] = []
        """What was decided in this transaction, in its order: what the trail tells of it."""

    async def authenticate(self, request: SignableRequest, claim: SignatureClaim | None = None) -> Caller:
        """The caller who signed `request`; raises AuthenticationError.

        `claim` is what `read_claim` says of the request, where it was read already. A request that carries a session token is
        verified by the token alone.
        """
        claim = claim or read_claim(request)
        check_time(claim, self._clock.now())
        principal, secret = await self._identity(claim)
        scope = claim.scope
        key = signing_key(secret, scope.date, scope.region, scope.service)
        expected = hmac.digest(key, text_to_verify(request, claim).encode(), "sha256").hex()
        if not hmac.compare_digest(expected, claim.signature):
            raise AuthenticationError(AuthenticationFailure.SIGNATURE_MISMATCH, _MISMATCH)
        return Caller(principal=principal, region=scope.region, service=scope.service)

    async def _identity(self, claim: SignatureClaim) -> tuple[Principal, str]:
        if claim.session_token is not None:
            try:
                session = open_session(self._keeper.sealer, claim.session_token, claim.access_key_id)
            except ExpiredSeal as error:
                raise AuthenticationError(AuthenticationFailure.EXPIRED_TOKEN, _EXPIRED) from error
            except InvalidSeal as error:
                raise AuthenticationError(AuthenticationFailure.INVALID_TOKEN, _INVALID) from error
            if session is None:
                raise AuthenticationError(AuthenticationFailure.INVALID_TOKEN, _INVALID)
            return session
        key = await self._identities.access_key(claim.access_key_id)
        if key is None or not key.active:
            raise AuthenticationError(AuthenticationFailure.UNKNOWN_KEY, _INVALID)
        return key.principal, key.secret

    async def authorise(
        self,
        principal: Principal,
        action: str,
        resources: Sequence[Named],
        context: KeyValues | None = None,
    ) -> None:
        """Return when `principal` may do `action` to every one of `resources`; raises AccessDenied.

        `context` holds the request's condition keys, `aws:SourceIp` and `aws:RequestedRegion` among them; a resource brings its own;
        those that say who the principal is and what time it is are added here, over any that are given.
        """
        asked = await self.questions(principal, action, resources, context)
        decided = Decided(principal, tuple((request, evaluate(request, policies)) for request, policies in asked))
        self.decisions.append(decided)
        request, verdict = decided.outcome
        if not verdict.allowed:
            raise AccessDenied(principal.arn, action, request.resource, verdict, decided)

    async def questions(
        self, principal: Principal, action: str, resources: Sequence[Named], context: KeyValues | None = None
    ) -> list[tuple[Request, PolicySet]]:
        """What there is to decide: each resource (`*` where none is named) with the policies that apply."""
        held = await self._identities.held(principal.identity_arn)
        common = {**(context or {}), **principal_keys(principal, self._clock.now(), held.tags)}
        policies = PolicySet(
            identity=held.policies,
            boundary=held.boundary,
            session=tuple(compiled_text(text, _SESSION) for text in principal.session_policies) or None,
            service_control=await self._identities.service_control(principal.account),
        )
        requester = requester_of(principal)
        shared = RequestContext(common)
        asked: list[tuple[Request, PolicySet]] = []
        for named in resources or ("*",):
            resource = named if isinstance(named, Resource) else Resource(named)
            keys = RequestContext({**resource.keys, **common}) if resource.keys else shared
            request = Request(requester, action, str(resource.arn), keys, resource_account=resource.account)
            asked.append((request, _with_policy_of(resource, policies)))
        return asked


def _with_policy_of(resource: Resource, policies: PolicySet) -> PolicySet:
    if resource.policy is None and not resource.trust:
        return policies
    source = _TRUST if resource.trust else PolicySource(str(resource.arn), PolicyKind.RESOURCE, Origin.RESOURCE)
    own = compiled_text(resource.policy, source) if resource.policy is not None else None
    return replace(policies, resource=own, resource_must_allow=resource.trust)
