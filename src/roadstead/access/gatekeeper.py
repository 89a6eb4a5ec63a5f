"""Authenticate and authorise, in the transaction of the request."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import msgspec

from roadstead.access.arrival import NOWHERE, Arrival
from roadstead.access.asker import Asker
from roadstead.access.decided import Decided
from roadstead.access.errors import AccessDenied, AuthenticationError, AuthenticationFailure
from roadstead.access.identities import Identities, IdentityCache
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal
from roadstead.access.request_keys import mfa_keys, time_keys
from roadstead.access.resource import KeyValues, Named, Resource, name_tags
from roadstead.access.sealing import ExpiredSeal, InvalidSeal, Sealer, UnknownSealingKey
from roadstead.access.sessions import open_session
from roadstead.access.signed_request import SignatureClaim, check_time, read_claim, text_to_verify
from roadstead.core.policy.compile import CompiledPolicy, Request, compiled_text
from roadstead.core.policy.context import Keys, RequestContext
from roadstead.core.policy.elements import PolicyDocument
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.trace import Origin, PolicyKind, PolicySource, Verdict
from roadstead.core.sigv4 import SignableRequest, signing_key
from roadstead.kernel.clock import Clock
from roadstead.store import Transaction

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and"
    " signing method. Consult the service documentation for details."
)
_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_TRUST = PolicySource(kind=PolicyKind.TRUST)
_TRUSTS_NOBODY = CompiledPolicy(PolicyDocument(()), _TRUST)


class Caller(msgspec.Struct, frozen=True):
    """An authenticated principal and the region and service that it signed for."""

    principal: Principal
    region: str
    service: str


class Uses(Protocol):
    """Remembers what identities and keys are used for."""

    def signed(self, principal: Principal, service: str, region: str) -> None:
        """Note that a key of `principal` was used to call a service."""
        ...

    def asked(self, principal: Principal, action: str, region: str) -> None:
        """Note that `principal` asked for an action, allowed or not."""
        ...


class Gatekeeper:
    """What a server holds to let callers in: sealing keys, master key, caches, and the record of uses, where there is one."""

    def __init__(self, sealer: Sealer, master: MasterKey, clock: Clock, uses: Uses | None = None) -> None:
        self.sealer = sealer
        self.master = master
        self.uses = uses
        self._clock = clock
        self._cache = IdentityCache(master)

    def at(self, tx: Transaction, arrival: Arrival = NOWHERE) -> Gate:
        """The gate as this transaction sees it, for a request that came in by `arrival`."""
        return Gate(self, Identities(self._cache, tx), self._clock, arrival)


class Gate:
    """One transaction's view: decides with what the transaction reads."""

    def __init__(self, keeper: Gatekeeper, identities: Identities, clock: Clock, arrival: Arrival) -> None:
        self._keeper = keeper
        self._identities = identities
        self._clock = clock
        self._arrival = arrival
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
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise AuthenticationError(AuthenticationFailure.SIGNATURE_MISMATCH, _MISMATCH)
        self.admit(principal, scope.service, self._arrival.signed_for(scope.region))
        return Caller(principal=principal, region=scope.region, service=scope.service)

    def admit(self, principal: Principal, service: str, arrival: Arrival) -> None:
        """Take the request for one of `principal` to a service: `authenticate` does, and an edge that was shown another proof."""
        self._arrival = arrival
        if self._keeper.uses is not None:
            self._keeper.uses.signed(principal, service, arrival.region)

    async def signing_key(self, claim: SignatureClaim) -> bytes:
        """The key that verified the signature of a request that was authenticated: parts of its body may be signed with it too."""
        _, secret = await self._identity(claim)
        return signing_key(secret, claim.scope.date, claim.scope.region, claim.scope.service)

    async def _identity(self, claim: SignatureClaim) -> tuple[Principal, str]:
        if claim.session_token is not None:
            try:
                session = await self._session(claim.session_token, claim.access_key_id)
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

    async def _session(self, token: str, access_key_id: str) -> tuple[Principal, str] | None:
        """As `open_session`, which reads nothing; a token under a key that is unknown here has the server look for new ones."""
        sealer = self._keeper.sealer
        try:
            return open_session(sealer, token, access_key_id)
        except UnknownSealingKey:
            if not await sealer.learnt(self._identities.tx):
                raise
            return open_session(sealer, token, access_key_id)

    async def authorise(
        self,
        principal: Principal,
        action: str,
        resources: Sequence[Named],
        context: KeyValues | None = None,
    ) -> None:
        """Return when `principal` may do `action` to every one of `resources`; raises AccessDenied.

        `context` holds the condition keys of the operation's own request, and a resource brings its own; those that say who the principal
        is, how the request came in and what time it is are added here, over any that are given but those of an MFA code.
        """
        if self._keeper.uses is not None:
            self._keeper.uses.asked(principal, action, self._arrival.region)
        asker = await self._identities.asker(principal)
        shared = (asker.keys, Keys(partial(_keys_of_request, principal, self._arrival, self._clock, context)))
        answers: list[tuple[Request, Verdict]] = []
        for named in resources or ("*",):
            resource = named if isinstance(named, Resource) else Resource(named)
            policies = _with_policy_of(resource, asker.policies)
            if resource.tags is not None and _asks_for_tags(action, asker, policies.resource):
                resource = await resource.with_tags()
            request = _request(asker, action, resource, shared)
            verdict = asker.decide(request) if policies is asker.policies else evaluate(request, policies)
            if not verdict.allowed and resource.tags is not None:
                # Nothing asked for them, so they change nothing: but whoever is told of a denial is told the whole request.
                request = _request(asker, action, await resource.with_tags(), shared)
            answers.append((request, verdict))
        decided = Decided(principal, tuple(answers))
        self.decisions.append(decided)
        request, verdict = decided.outcome
        if not verdict.allowed:
            raise AccessDenied(principal.arn, action, request.resource, verdict, decided)


def _keys_of_request(principal: Principal, arrival: Arrival, clock: Clock, context: KeyValues | None) -> KeyValues:
    now = clock.now()
    given = {**mfa_keys(principal, now), **(context or {}), **principal.provider_keys}
    return {**given, **time_keys(now), **arrival.keys()}


def _request(asker: Asker, action: str, resource: Resource, shared: tuple[Keys, ...]) -> Request:
    account = resource.account
    context = RequestContext(None, shared, Keys(partial(_keys_of_resource, resource, account)))
    bounded = asker.policies.boundary is not None
    return Request(asker.requester, action, str(resource.arn), context, account, bounded)


def _keys_of_resource(resource: Resource, account: str | None) -> KeyValues:
    return resource.keys if account is None else {**resource.keys, "aws:ResourceAccount": account}


def _asks_for_tags(action: str, asker: Asker, own: CompiledPolicy | None) -> bool:
    return asker.asks_for_tags(action) or (own is not None and name_tags(own.acting(action).keys))


def _with_policy_of(resource: Resource, policies: PolicySet) -> PolicySet:
    if resource.policy is None and not resource.trust:
        return policies
    source = _TRUST if resource.trust else PolicySource(str(resource.arn), PolicyKind.RESOURCE, Origin.RESOURCE)
    own = compiled_text(resource.policy, source) if resource.policy is not None else _TRUSTS_NOBODY
    return replace(policies, resource=own, resource_must_allow=resource.trust)
