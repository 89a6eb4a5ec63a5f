"""What an endpoint is given: the request, whose it is, which repository it is about, and the way to the store past IAM."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, TypeVar

from roadstead.access.arrival import Arrival
from roadstead.access.decided import Decided
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.principal import Principal
from roadstead.access.resource import Named
from roadstead.access.sealing import Sealer
from roadstead.kernel.clock import Clock
from roadstead.registry.errors import RegistryError
from roadstead.registry.http import Request, Response
from roadstead.registry.logins import Login
from roadstead.registry.recent import Kept, Question, Recent
from roadstead.services.ecr.api import (
    PUBLIC_REGION,
    Blob,
    PullRecorder,
    PullThrough,
    RegistryStorage,
    RepositoryKey,
    StoredManifest,
    create_on_push,
    find_repository,
    guarded_repository,
    has_create_on_push,
    is_repository_name,
    require_repository,
)
from roadstead.store import Transaction
from roadstead.store.blobs import BlobStore

T = TypeVar("T")
U = TypeVar("U")

PUBLIC_READS = frozenset(
    {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability", "ecr:ListImages"}
)
"""What everybody may do to a public repository: pulling needs no permission."""

MAX_LAYER_BYTES = 52_000 * 1024 * 1024
"""The largest layer that ECR takes."""
MAX_PUBLIC_LAYER_BYTES = 10_000 * 1024 * 1024
"""The largest layer that ECR Public takes."""
_RECENT_BYTES = 32 * 1024 * 1024
_RECENT_BLOBS = 10_000


class Authorise(Protocol):
    """Decides in a transaction; raises AccessDenied (access.errors)."""

    async def __call__(
        self,
        tx: Transaction,
        principal: Principal,
        action: str,
        resources: Sequence[Named],
        arrival: Arrival,
    ) -> Sequence[Decided]:
        """What was decided, when that allows."""
        ...


def authorise_by(gatekeeper: Gatekeeper) -> Authorise:
    """The server's IAM as the registry asks it."""

    async def authorise(
        tx: Transaction,
        principal: Principal,
        action: str,
        resources: Sequence[Named],
        arrival: Arrival,
    ) -> Sequence[Decided]:
        gate = gatekeeper.at(tx)
        gate.admit(principal, action.partition(":")[0], arrival)
        await gate.authorise(principal, action, resources)
        return gate.decisions

    return authorise


@dataclass(frozen=True, slots=True)
class Backend:
    """What the registry stands on. `open_backend` makes one."""

    storage: RegistryStorage
    sealer: Sealer
    authorise: Authorise
    pulls: PullRecorder
    pull_through: PullThrough
    manifests: Recent[StoredManifest]
    found_blobs: Recent[Blob]
    """That a client may pull."""
    clock: Clock
    max_layer_bytes: int = MAX_LAYER_BYTES
    max_public_layer_bytes: int = MAX_PUBLIC_LAYER_BYTES


def open_backend(
    storage: RegistryStorage,
    gatekeeper: Gatekeeper,
    pulls: PullRecorder,
    pull_through: PullThrough,
    clock: Clock,
    *,
    max_layer_bytes: int = MAX_LAYER_BYTES,
    max_public_layer_bytes: int = MAX_PUBLIC_LAYER_BYTES,
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
        pull_through=pull_through,
        manifests=Recent(version, clock, _manifest_bytes, _RECENT_BYTES),
        found_blobs=Recent(version, clock, lambda _: 1, _RECENT_BLOBS),
        clock=clock,
        max_layer_bytes=max_layer_bytes,
        max_public_layer_bytes=max_public_layer_bytes,
    )


def _manifest_bytes(manifest: StoredManifest) -> int:
    return len(manifest.content)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client. `name` is the repository's name in the path, where an alias leads that of a public one; `argument` is the
    path's last part: reference, digest or upload id.
    """

    backend: Backend
    request: Request
    login: Login
    key: RepositoryKey
    name: str
    argument: str
    decided: dict[str, Sequence[Decided]] = field(default_factory=dict[str, Sequence[Decided]])
    """The latest decision on each action and repository, for the trail."""

    @property
    def blobs(self) -> BlobStore:
        """Where content is."""
        return self.backend.storage.blobs

    @property
    def question(self) -> Question:
        """What is asked, by whom."""
        return (self.login.name, self.arrival, self.key, self.argument)

    @property
    def arrival(self) -> Arrival:
        """How the request came in, for the region that the login is for."""
        region = PUBLIC_REGION if self.key.is_public else self.login.region
        return self.request.arrival.signed_for(region)

    @property
    def base(self) -> str:
        """The repository's path, for Location headers."""
        return f"/v2/{self.name}"

    def holding(self, kept: Kept[U], recent: Recent[U]) -> Callable[[], bool]:
        """What tells whether this client may still be given an answer that was kept."""
        clock, expires = self.backend.clock, self.login.expires

        def holds() -> bool:
            return recent.holds(kept) and clock.now().timestamp() < expires

        return holds

    def sibling(self, name: str) -> RepositoryKey | None:
        """Another repository of the same registry, by the name that it has in paths; None for what can be none."""
        prefix = self.name.removesuffix(self.key.name)
        own = name.removeprefix(prefix)
        if (prefix and own == name) or not is_repository_name(own):
            return None
        return RepositoryKey(self.key.account, self.key.region, own)

    async def allow(self, tx: Transaction, action: str, key: RepositoryKey | None = None) -> None:
        """Raise unless the client may do `action` of private ECR, or what corresponds to it of ECR Public, to this repository (or to `key`)."""
        found = key or self.key
        if found.is_public:
            if action in PUBLIC_READS:
                return
            action = f"ecr-public:{action.partition(':')[2]}"
        if self.login.principal is None:
            raise RegistryError(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "Not Authorized")
        target = await guarded_repository(tx, found, action)
        allowed = await self.backend.authorise(tx, self.login.principal, action, [target], self.arrival)
        self.decided[f"{action} {found.arn}"] = allowed

    @asynccontextmanager
    async def reading(self, action: str) -> AsyncGenerator[Transaction]:
        """A snapshot in which `action` is allowed."""
        async with self.backend.storage.store.snapshot() as tx:
            await self.allow(tx, action)
            yield tx

    async def repository_to_push(self, action: str) -> None:
        """Return when `action` is allowed and the repository is there, which it may come to be by a creation template's word.

        Raises RepositoryNotFoundException (services.ecr.errors).
        """
        async with self.reading(action) as tx:
            if await find_repository(tx, self.key) is not None:
                return
            if not await has_create_on_push(tx, self.key):
                await require_repository(tx, self.key)
        await self.writing("ecr:CreateRepository", lambda tx: create_on_push(tx, self.key, self.backend.storage.limits))

    async def writing(self, action: str, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction in which `action` is allowed; durable when this returns."""

        async def allowed(tx: Transaction) -> T:
            await self.allow(tx, action)
            return await work(tx)

        return await self.backend.storage.store.run(allowed)


Endpoint = Callable[[Call], Awaitable[Response]]
