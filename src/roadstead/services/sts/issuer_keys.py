"""The keys of identity providers: found through their discovery documents and kept for some minutes.

Sources: OpenID Connect Discovery 1.0; RFC 7517. A token under a key that is not known has the keys fetched again, so that a provider can
rotate them at any time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from roadstead.kernel.clock import Clock
from roadstead.kernel.errors import ServiceError
from roadstead.services.iam.api import BadUrl, IssuerAway, IssuerClient, IssuerFailed, IssuerUntrusted, Provider
from roadstead.services.sts.errors import IDPCommunicationErrorException, InvalidIdentityTokenException
from roadstead.services.sts.web_token import PublicKey, read_keys

DISCOVERY = "/.well-known/openid-configuration"
FRESH_SECONDS = 300.0
"""How long keys are taken as they are."""
KEPT_SECONDS = 3600.0
"""How long keys are taken at most when the provider can't be reached."""
AGAIN_SECONDS = 10.0
"""How soon after the last time unknown keys have a provider asked again."""
_DISCOVERY_BYTES = 64 * 1024
_KEYS_BYTES = 512 * 1024
_REMEMBERED = 512
_NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,"
    "  please reference AssumeRoleWithWebIdentity documentation for requirements"
)
_UNTRUSTED = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


@dataclass(slots=True)
class _Known:
    """What is known of one provider. `fetched_at` and `asked_at` are monotonic; the latter, and `answers`, count failures too."""

    keys: Sequence[PublicKey] = ()
    fetched_at: float | None = None
    asked_at: float | None = None
    answers: int = 0
    failure: ServiceError | None = None
    """Why it gave no keys when it was asked last."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def failed(self, failure: ServiceError) -> ServiceError:
        """Remember why it gave no keys."""
        self.answers += 1
        self.failure = failure
        return failure


class IssuerKeys:
    """The keys of every provider that tokens come from. One for each server."""

    def __init__(self, client: IssuerClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: OrderedDict[tuple[str, tuple[str, ...]], _Known] = OrderedDict()

    async def candidates(self, provider: Provider, header: Any) -> list[PublicKey]:
        """The keys under which a token with this header may be signed.

        Raises InvalidIdentityToken where there is none, and IDPCommunicationError where that can't be known now.
        """
        known = self._entry(provider)
        found = self._fitting(known, header) if self._age(known.fetched_at) < FRESH_SECONDS else []
        if found:
            return found
        answers = known.answers
        async with known.lock:
            found = self._fitting(known, header) if self._age(known.fetched_at) < FRESH_SECONDS else []
            due = self._age(known.asked_at) >= AGAIN_SECONDS or known.fetched_at is None
            if not found and due and known.answers == answers:  # what others were told meanwhile holds for this one too
                await self._fetch(provider, known)
            if self._age(known.fetched_at) < KEPT_SECONDS:
                found = found or self._fitting(known, header)
            elif known.failure is not None:
                raise type(known.failure)(known.failure.message)
        if not found:
            raise InvalidIdentityTokenException(_NO_KEY)
        return found

    def _entry(self, provider: Provider) -> _Known:
        """Thumbprints are part of the name: keys that came over a connection which they vouched for go with them."""
        name = (str(provider.url), provider.thumbprints)
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = _Known()
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        return found

    def _age(self, moment: float | None) -> float:
        return self._clock.monotonic() - moment if moment is not None else float("inf")

    def _fitting(self, known: _Known, header: Any) -> list[PublicKey]:
        return [key for key in known.keys if key.fits(header)]

    async def _fetch(self, provider: Provider, known: _Known) -> None:
        """Ask the provider; what is known stays when it can't be reached. Raises STS's errors."""
        known.asked_at = self._clock.monotonic()
        try:
            known.keys = await self._keys(provider)
        except IssuerAway as error:
            failure = known.failed(IDPCommunicationErrorException(f"The identity provider can't be reached: {error}"))
            if self._age(known.fetched_at) >= KEPT_SECONDS:
                raise failure from error
        except IssuerUntrusted as error:
            raise known.failed(InvalidIdentityTokenException(_UNTRUSTED)) from error
        except (IssuerFailed, BadUrl, msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise known.failed(InvalidIdentityTokenException(_NO_KEY)) from error
        else:
            known.answers += 1
            known.failure = None
            known.fetched_at = self._clock.monotonic()

    async def _keys(self, provider: Provider) -> Sequence[PublicKey]:
        url = str(provider.url)
        document = await self._client.get(url.removesuffix("/") + DISCOVERY, provider.thumbprints, _DISCOVERY_BYTES)
        found = msgspec.json.decode(document, type=_Discovery)
        if found.issuer != url:
            raise ValueError(f"the discovery document of {url} speaks of {found.issuer}")
        return read_keys(await self._client.get(found.jwks_uri, provider.thumbprints, _KEYS_BYTES))
