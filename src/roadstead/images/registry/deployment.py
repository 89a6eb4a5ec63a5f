"""The registries of an AWS endpoint: of a running deployment, as a profile or the environment names it, with the caller's own credentials.

An endpoint is asked for a registry by the Host header, so that names below `localhost` need not resolve and real AWS names lead to it too.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from roadstead.core.taskdef.images import EcrRegistry, ecr_registry
from roadstead.images.errors import ImageError, Refused
from roadstead.images.registry.places import Place, require_private

DEFAULT_PROFILE = "roadstead"
"""What `roadstead up` writes; taken where the environment names no endpoint."""

_PUBLIC, _PUBLIC_HERE = "public.ecr.aws", "public.ecr.localhost"
_PUBLIC_REGION = "us-east-1"


class AwsClient(Protocol):
    """What is used of a botocore client."""

    meta: Any

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        """An operation."""
        ...


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Whose credentials and which endpoint: None means what the environment says, and the profile `roadstead` after that."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry of a deployment; `account` is None for the deployment's default one, whatever that is, and for public ones."""

    place: Place
    region: str
    account: str | None
    is_public: bool = False


class Deployment:
    """One AWS endpoint and the caller's credentials for it."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._session = _session(settings)
        self._clients: dict[tuple[str, str], AwsClient] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._lock = asyncio.Lock()
        self.endpoint = self._find_endpoint()

    @property
    def region(self) -> str:
        """The caller's region; raises ImageError without one."""
        found = self._settings.region or os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        if not found:
            raise ImageError("no region is known: give --region, or set AWS_REGION")
        return str(found)

    async def find(self, host: str | None) -> Registry | None:
        """The registry that a reference's host means here: the caller's own without one; None for hosts of others."""
        if host is None:
            account = (await self._call("sts", self.region, "get_caller_identity"))["Account"]
            return self._registry(EcrRegistry(str(account), self.region))
        port = urlsplit(self.endpoint).port
        if host in (_PUBLIC, _PUBLIC_HERE, f"{_PUBLIC_HERE}:{port}"):
            name = f"{_PUBLIC_HERE}:{port}" if port else _PUBLIC_HERE
            return Registry(Place(self.endpoint, name), _PUBLIC_REGION, None, is_public=True)
        found = ecr_registry(f"{host}/", default_host="", default=EcrRegistry("", ""))
        if found is not None:
            return self._registry(found)
        parts, asked = urlsplit(self.endpoint), urlsplit(f"//{host}")
        if asked.hostname in (parts.hostname, "localhost") and asked.port == parts.port:
            return Registry(Place(self.endpoint, host), self.region, None)
        return None

    async def authorization(self, registry: Registry) -> str:
        """The Authorization header for every private registry of a region, or for every public one (API references: GetAuthorizationToken)."""
        service = "ecr-public" if registry.is_public else "ecr"
        async with self._lock:
            if (service, registry.region) not in self._tokens:
                data = (await self._call(service, registry.region, "get_authorization_token"))["authorizationData"]
                header = (
                    f"Bearer {data['authorizationToken']}"
                    if registry.is_public
                    else f"Basic {data[0]['authorizationToken']}"
                )
                self._tokens[service, registry.region] = header
            return self._tokens[service, registry.region]

    async def create_repository(self, registry: Registry, name: str) -> None:
        """Make a repository, unless it is there by now; of a public one the path has its registry's alias before its name."""
        service, account = "ecr", {"registryId": registry.account} if registry.account is not None else {}
        if registry.is_public:
            service, name = "ecr-public", name.partition("/")[2]
        try:
            await self._call(service, registry.region, "create_repository", repositoryName=name, **account)
        except RepositoryThere:
            return

    def _registry(self, registry: EcrRegistry) -> Registry:
        port = urlsplit(self.endpoint).port
        name = f"{registry.account}.dkr.ecr.{registry.region}.localhost"
        return Registry(Place(self.endpoint, f"{name}:{port}" if port else name), registry.region, registry.account)

    def _client(self, service: str, region: str) -> AwsClient:
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = cast(
                "AwsClient",
                self._session.create_client(service, region_name=region, endpoint_url=self._settings.endpoint_url),
            )
        return self._clients[key]

    async def _call(self, service: str, region: str, operation: str, **parameters: str) -> Mapping[str, Any]:
        def call() -> Mapping[str, Any]:
            client = self._client(service, region)
            return getattr(client, operation)(**parameters)

        try:
            return await asyncio.to_thread(call)
        except ClientError as error:
            answer = cast("dict[str, dict[str, str]]", error.response)["Error"]
            if answer["Code"] == "RepositoryAlreadyExistsException":
                raise RepositoryThere(answer["Message"]) from error
            raise Refused(f"{self.endpoint}: {service}: {answer['Code']}: {answer['Message']}") from error
        except BotoCoreError as error:
            raise Refused(f"{self.endpoint}: {error}") from error

    def _find_endpoint(self) -> str:
        try:
            url = str(self._client("ecr", self.region).meta.endpoint_url).rstrip("/")
        except BotoCoreError as error:
            raise ImageError(f"no deployment is known: {error}") from error
        if re.search(r"\.(amazonaws\.com(\.cn)?|aws|api\.aws)$", urlsplit(url).hostname or ""):
            raise ImageError(
                'no deployment is named: eval "$(roadstead env)", or give --profile or --endpoint-url; images of AWS itself '
                "are copied with --outside"
            )
        return require_private(url)


class RepositoryThere(ImageError):
    """The repository exists already."""


def _session(settings: AwsSettings) -> botocore.session.Session:
    """The caller's session; the profile `roadstead` where nothing else names an endpoint. Raises ImageError."""
    session = botocore.session.Session(profile=settings.profile)
    try:
        session.get_scoped_config()
    except BotoCoreError as error:
        raise ImageError(str(error)) from error
    chosen = settings.profile or settings.endpoint_url or session.get_config_variable("profile")
    if chosen or _names_endpoint(session) or DEFAULT_PROFILE not in session.available_profiles:
        return session
    return botocore.session.Session(profile=DEFAULT_PROFILE)


def _names_endpoint(session: botocore.session.Session) -> bool:
    client: Any = session.create_client(
        "ecr", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a"
    )
    return not str(client.meta.endpoint_url).endswith(".amazonaws.com")
