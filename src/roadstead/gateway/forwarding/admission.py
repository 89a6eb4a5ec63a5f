"""Who calls, and whether that may be: for every upstream the same, in one snapshot of the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from roadstead.access.arrival import Arrival
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.resource import KeyValues, Resource
from roadstead.access.signed_request import SignatureClaim
from roadstead.core.sigv4 import SignableRequest
from roadstead.gateway.forwarding.upstreams import Upstream, Upstreams
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.scope import check_scope
from roadstead.store import Store


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller who may go on: the upstream to call for it, its region, and the key that further parts of its request are signed with."""

    upstream: Upstream
    region: str
    key: bytes = field(repr=False)


Ask = Callable[[str, Sequence[str], KeyValues], Awaitable[None]]
"""Whether the caller may do an action to resources, by their ARNs, with these condition keys; raises AccessDenied."""
Decide = Callable[[Ask, Upstream, str], Awaitable[None]]
"""Asks for everything that a request needs, given its upstream and region."""


class Admission:
    """Authenticates and authorises the callers of upstreams."""

    def __init__(self, store: Store, gatekeeper: Gatekeeper, upstreams: Upstreams) -> None:
        self._store = store
        self._gatekeeper = gatekeeper
        self._upstreams = upstreams

    async def admit(
        self,
        signed: SignableRequest,
        claim: SignatureClaim,
        arrival: Arrival,
        service: str,
        decide: Decide,
        outcome: Outcome,
    ) -> Admitted:
        """Return when everything that `decide` asks for is allowed; raises AuthenticationError and AccessDenied.

        Whatever an upstream has belongs to its account: callers of another one would need a policy of the resource, and none is known.
        """
        outcome.claimed_key = claim.access_key_id
        async with self._store.snapshot() as tx:
            gate = self._gatekeeper.at(tx, arrival)
            outcome.decisions = gate.decisions
            caller = await gate.authenticate(signed, claim)
            principal, region = caller.principal, caller.region
            upstream = self._upstreams.for_caller(service, principal.account)
            check_scope(caller, upstream.entry.signing_name)
            outcome.caller = caller
            outcome.account, outcome.region, outcome.principal = principal.account, region, str(principal.arn)

            async def ask(action: str, arns: Sequence[str], keys: KeyValues) -> None:
                resources = [Resource(arn, keys, owner=upstream.account) for arn in arns]
                await gate.authorise(principal, action, resources)

            await decide(ask, upstream, region)
            return Admitted(upstream, region, await gate.signing_key(claim))
