"""Signing in to registries for image pulls (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from roadstead.agent.client import ApiClient, ApiError, CredentialSource
from roadstead.agent.client.retry import FAILING_SECONDS
from roadstead.agent.ecs.credentials import CredentialStore, ExecutionCredentials, MissingExecutionRole
from roadstead.kernel.clock import Clock
from roadstead.wire.task import Container, Task

_RENEW_AFTER = 0.5
"""The part of a token's life after which it is asked for anew."""


class AuthorizationFailed(Exception):
    """No token could be had; the text is the reason that the task stops with."""


class _Datum(msgspec.Struct, frozen=True, rename="camel"):
    authorization_token: str
    expires_at: float


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    authorization_data: tuple[_Datum, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    renew_at: float
    signed_by: str


class RegistryAuthenticator:
    """Tokens by role and registry, each asked for once by any number of pulls.

    Tasks of one role share a token: the registry decides each request by what the role may do then.
    """

    def __init__(self, api: ApiClient, store: CredentialStore, clock: Clock) -> None:
        self._api = api
        self._store = store
        self._clock = clock
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def header(self, task: Task, container: Container, refused: str | None = None) -> str | None:
        """The Authorization header for the container's image; None for registries that ask for none. Raises AuthorizationFailed.

        `refused` is a header that the registry turned down. Where another session of the role got it, a new one is asked for: that
        session may have been revoked. Otherwise the same header comes back.
        """
        how = container.registry_authentication
        if how is None or how.type == "":
            return None
        if how.type != "ecr" or how.ecr_auth_data is None:
            raise AuthorizationFailed(
                f"{_PREFIX}registry authentication of type {how.type} is not supported by this agent"
            )
        data = how.ecr_auth_data
        source = ExecutionCredentials(self._store, task.arn) if data.use_execution_role else self._api.credentials
        try:
            signer = source.current().access_key_id
        except MissingExecutionRole as error:
            raise AuthorizationFailed(f"{_PREFIX}{error}") from error
        role = self._store.execution_role(task.arn) if data.use_execution_role else ""
        key = (role or signer, f"{data.region}/{data.registry_id}")
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._tokens.get(key)
            outdated = known is None or known.renew_at <= self._clock.monotonic()
            if known is None or outdated or (known.header == refused and known.signed_by != signer):
                known = await self._ask(source, data.region, signer)
                self._forget_old()
                self._tokens[key] = known
            return known.header

    async def _ask(self, source: CredentialSource, region: str, signer: str) -> _Token:
        try:
            answer = await self._api.call(
                "ecr",
                "GetAuthorizationToken",
                {},
                _Answer,
                credentials=source,
                region=region or None,
                deadline=FAILING_SECONDS,
                patient=True,
            )
        except ApiError as error:
            raise AuthorizationFailed(f"{_PREFIX}{error}") from error
        datum = answer.authorization_data[0]
        life = max(0.0, datum.expires_at - self._clock.now().timestamp())
        return _Token(f"Basic {datum.authorization_token}", self._clock.monotonic() + life * _RENEW_AFTER, signer)

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, token in self._tokens.items() if token.renew_at <= now]:
            del self._tokens[key]
            self._locks.pop(key, None)


_PREFIX = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve ecr registry auth: "
)
