"""What an endpoint is given: the request, whose it is, which repository it is about, and the way to the store past IAM."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, TypeVar

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.principal import Principal
from roadstead.access.sealing import Sealer
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import Clock
from roadstead.registry.errors import RegistryError
from roadstead.registry.http import Request, Response
from roadstead.registry.logins import Login
from roadstead.registry.recent import Question, Recent
from roadstead.services.ecr.api import PullRecorder, RegistryStorage, RepositoryKey, StoredManifest
from roadstead.store import Transaction
from roadstead.store.blobs import BlobStore

T = TypeVar("T")

MAX_LAYER_BYTES = 52_000 * 1024 * 1024
"""The largest layer that ECR takes."""
_RECENT_BYTES = 32 * 1024 * 1024
_RECENT_SIZES = 10_000


class Authorise(Protocol):
    """Decides in a transaction; raises AccessDenied (access.errors)."""

    async def __call__(
        self,
        tx: Transaction,
        principal: Principal,
        action: str,
        resources: Sequence[Arn | str],
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Return when allowed."""
        ...


def authorise_by(gatekeeper: Gatekeeper) -> Authorise:
    """The server's IAM as the registry asks it."""

    async def authorise(
        tx: Transaction,
        principal: Principal,
        action: str,
        resources: Sequence[Arn | str],
        context: Mapping[str, str] | None = None,
    ) -> None:
        await gatekeeper.at(tx).authorise(principal, action, resources, context)

    return authorise


@dataclass(frozen=True, slots=True)
class Backend:
    """What the registry stands on. `open_backend` makes one."""

    storage: RegistryStorage
    sealer: Sealer
    authorise: Authorise
    pulls: PullRecorder
    manifests: Recent[StoredManifest]
    sizes: Recent[int]
    """Of blobs that a client may pull."""
    max_layer_bytes: int = MAX_LAYER_BYTES


def open_backend(
    storage: RegistryStorage,
    gatekeeper: Gatekeeper,
    pulls: PullRecorder,
    clock: Clock,
    *,
    max_layer_bytes: int = MAX_LAYER_BYTES,
) -> Backend:
    """The backend of a server."""
    store = storage.store

    def version() -> int | None:
        return store.version

    return Backend(
        storage=storage,
        sealer=gatekeeper.sealer,
        authorise=authorise_by(gatekeeper),
        pulls=pulls,
        manifests=Recent(version, clock, _manifest_bytes, _RECENT_BYTES),
        sizes=Recent(version, clock, lambda _: 1, _RECENT_SIZES),
        max_layer_bytes=max_layer_bytes,
    )


def _manifest_bytes(manifest: StoredManifest) -> int:
    return len(manifest.content)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of an authenticated principal. `argument` is the path's last part: reference, digest or upload id."""

    backend: Backend
    request: Request
    login: Login
    key: RepositoryKey
    argument: str

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.login.principal

    @property
    def blobs(self) -> BlobStore:
        """Where content is."""
        return self.backend.storage.blobs

    @property
    def question(self) -> Question:
        """What is asked, by whom."""
        return (self.login.name, self.key, self.argument)

    @property
    def base(self) -> str:
        """The repository's path, for Location headers."""
        return f"/v2/{self.key.name}"

    async def allow(self, tx: Transaction, action: str, key: RepositoryKey | None = None) -> None:
        """Raise unless the principal may do `action` to this repository (or to `key`)."""
        target = key or self.key
        await self.backend.authorise(tx, self.principal, action, [target.arn])
        if self.principal.account != target.account:
            message = (
                f"User: {self.principal.arn} is not authorized to perform: {action} on resource: {target.arn} "
                f"because no resource-based policy allows the {action} action"
            )
            raise RegistryError(HTTPStatus.FORBIDDEN, "DENIED", message)

    @asynccontextmanager
    async def reading(self, action: str) -> AsyncGenerator[Transaction]:
        """A snapshot in which `action` is allowed."""
        async with self.backend.storage.store.snapshot() as tx:
            await self.allow(tx, action)
            yield tx

    async def writing(self, action: str, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction in which `action` is allowed; durable when this returns."""

        async def allowed(tx: Transaction) -> T:
            await self.allow(tx, action)
            return await work(tx)

        return await self.backend.storage.store.run(allowed)


Endpoint = Callable[[Call], Awaitable[Response]]
