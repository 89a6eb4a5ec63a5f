"""An upstream that is another registry of this deployment: its blobs are here already, and no byte moves.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-private.html, for who may do what, and
slr-pullthroughcache.html. ECR asks the upstream as a role of the account that caches, and writes into the cache as the same role: the one that
the rule names, or within one account the service-linked one. The trail has what it asked, and pulls count there, as for any other principal.
`ecr:GetImageCopyStatus`, of which AWS asks too, has nothing to decide here: no copy takes time.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from roadstead.access.arrival import Arrival
from roadstead.access.decided import Decided
from roadstead.access.errors import AccessDenied
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.principal import Principal
from roadstead.access.resource import Named, Resource
from roadstead.audit.decisions import event_resource
from roadstead.audit.trail import Trail
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import request_id
from roadstead.services.accounts.api import account_exists
from roadstead.services.ecr.blobs import RegistryStorage, find_blob, is_blob_archived, link_blob
from roadstead.services.ecr.byte_quotas import require_room_for
from roadstead.services.ecr.content import StoredManifest, is_archived, manifest_by_digest, manifest_by_tag
from roadstead.services.ecr.guarded import guarded_repository
from roadstead.services.ecr.keys import RepositoryKey, is_digest
from roadstead.services.ecr.pulls import PullRecorder
from roadstead.services.ecr.upstream import (
    Current,
    FetchedManifest,
    UpstreamAccessDenied,
    UpstreamError,
    UpstreamNotFound,
    UpstreamUnavailable,
)
from roadstead.services.iam.api import linked_role_arn
from roadstead.services.sts.api import NotAssumable, assumed_by_service
from roadstead.store import Transaction

CACHE_SERVICE = "pullthroughcache.ecr.amazonaws.com"
"""Whom a role of a rule has to trust, and who asks the upstream with it."""

_SESSION = "ecr-pull-through-cache"
_LASTS = timedelta(hours=1)
_PULLED = ("ecr:BatchGetImage", "ecr:BatchImportUpstreamImage")
"""What the role must be allowed of the upstream repository, for a manifest; the latter also where the upstream has no rule of its own."""
_PUSHED = ("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")
"""What it must be allowed of the repository that caches."""
_CODES: Mapping[type[UpstreamError], str] = MappingProxyType(
    {UpstreamAccessDenied: "AccessDenied", UpstreamNotFound: "ImageNotFoundException"}
)


@dataclass(frozen=True, slots=True)
class Registries:
    """What the registries of this deployment stand on."""

    storage: RegistryStorage
    gatekeeper: Gatekeeper
    pulls: PullRecorder
    trail: Trail


async def assume_for_cache(tx: Transaction, account: str, role: str | None) -> Principal:
    """Who ECR is to the upstream of a rule of this account; raises UpstreamAccessDenied."""
    arn = linked_role_arn(account, CACHE_SERVICE) if role is None else Arn.parse(role)
    keys = {"aws:SourceAccount": account}
    try:
        return await assumed_by_service(
            tx, arn, CACHE_SERVICE, session_name=_SESSION, now=tx.clock.now(), lasts=_LASTS, keys=keys
        )
    except NotAssumable as error:
        raise UpstreamAccessDenied(str(error)) from error


class LocalRepository:
    """An UpstreamRepository of this deployment, for `principal`; `current` asks the upstream's own upstream."""

    def __init__(self, registries: Registries, key: RepositoryKey, principal: Principal, current: Current) -> None:
        self._registries = registries
        self._key = key
        self._principal = principal
        self._current = current

    @property
    def registry(self) -> str:
        """Its account and region."""
        return f"{self._key.account} {self._key.region}"

    async def digest_of(self, tag: str) -> str | None:
        """The digest of the tag, which is no pull."""
        return (await self._find(tag)).digest

    async def manifest(self, reference: str) -> FetchedManifest:
        """The manifest; a pull of the upstream's image."""
        found = await self._find(reference)
        self._registries.pulls.pulled(self._key, found.digest, self._principal.identity_arn)
        return FetchedManifest(found.content, found.media_type)

    async def bring_blobs(self, key: RepositoryKey, blobs: Mapping[str, int]) -> None:
        """Links, all in one transaction."""
        storage = self._registries.storage
        with self._asking("GetDownloadUrlForLayer", *({"layerDigest": digest} for digest in blobs)) as asking:

            async def link(tx: Transaction) -> None:
                for action in _PUSHED:
                    await asking.allow(tx, action, key)
                if blobs:
                    await asking.allow(tx, "ecr:GetDownloadUrlForLayer", self._key)
                for digest in blobs:
                    blob = await find_blob(tx, self._key, digest)
                    if blob is None or await is_blob_archived(tx, self._key, digest):
                        raise UpstreamUnavailable(f"{self._key.arn} can't give the layer {digest}")
                    await require_room_for(tx, key, digest, blob.size, storage.limits)
                    await link_blob(tx, key, digest, blob)

            await storage.store.run(link)

    async def check(self) -> None:
        """Whether the registry's account is there, and the role may have a token: about repositories nothing is asked."""
        with self._asking("GetAuthorizationToken", {}) as asking:
            async with self._registries.storage.store.snapshot() as tx:
                await asking.sign_in(tx)
                if not await account_exists(tx, self._key.account):
                    raise UpstreamUnavailable(f"there is no account {self._key.account} in this deployment")

    async def _find(self, reference: str) -> StoredManifest:
        by_digest = is_digest(reference)
        named = {"imageIds": [{"imageDigest" if by_digest else "imageTag": reference}]}
        store = self._registries.storage.store
        with self._asking("BatchGetImage", named) as asking:

            async def allow(tx: Transaction, action: str) -> None:
                await asking.allow(tx, action, self._key)

            async def read() -> StoredManifest | None:
                async with store.snapshot() as tx:
                    await asking.sign_in(tx)
                    for action in _PULLED:
                        await allow(tx, action)
                    return await (manifest_by_digest if by_digest else manifest_by_tag)(tx, self._key, reference)

            found = await self._current(self._key, reference, read, allow)
            if found is not None:
                return found
            async with store.snapshot() as tx:
                archived = await is_archived(tx, self._key, reference)
            what = "is archived" if archived else "does not exist"
            raise UpstreamNotFound(f"the image {reference} of {self._key.arn} {what}")

    @contextmanager
    def _asking(self, name: str, *parameters: Mapping[str, object]) -> Generator[_Asking]:
        """Requests to the upstream that are alike, one for each `parameters`. The trail is told how they ended, of an error once."""
        asking = _Asking(self._registries.gatekeeper, self._principal, self._key.region)
        try:
            yield asking
        except UpstreamError as error:
            self._tell(name, parameters[0] if parameters else {}, asking, error)
            raise
        for each in parameters:
            self._tell(name, each, asking, None)

    def _tell(self, name: str, parameters: Mapping[str, object], asking: _Asking, error: UpstreamError | None) -> None:
        principal, resource = self._principal, event_resource(str(self._key.arn))
        about = {} if name == "GetAuthorizationToken" else {"repositoryName": self._key.name}
        self._registries.trail.record(
            source="ecr",
            name=name,
            region=self._key.region,
            principal=principal,
            arn=str(principal.arn),
            claimed_key="",
            source_ip=CACHE_SERVICE,
            user_agent=CACHE_SERVICE,
            request_id=request_id(),
            read_only=True,
            account=principal.account,
            parameters={"registryId": self._key.account, **about, **parameters},
            error_code="" if error is None else _CODES.get(type(error), "UpstreamUnavailable"),
            error_message="" if error is None else str(error),
            decisions=[each for decided in asking.decided.values() for each in decided],
            resources=(resource,) if about and resource is not None else (),
        )


@dataclass(slots=True)
class _Asking:
    """A request of the cache's, and the latest decision on each of its actions."""

    gatekeeper: Gatekeeper
    principal: Principal
    region: str
    decided: dict[str, Sequence[Decided]] = field(default_factory=dict[str, Sequence[Decided]])

    async def sign_in(self, tx: Transaction) -> None:
        """Return when the role may have a token for the upstream's region; raises UpstreamAccessDenied."""
        await self._decide(tx, "ecr:GetAuthorizationToken", Resource("*", owner=self.principal.account), self.region)

    async def allow(self, tx: Transaction, action: str, key: RepositoryKey) -> None:
        """Return when the role may do this to a repository; raises UpstreamAccessDenied."""
        await self._decide(tx, action, await guarded_repository(tx, key, action), key.region)

    async def _decide(self, tx: Transaction, action: str, resource: Named, region: str) -> None:
        arrival = Arrival(user_agent=CACHE_SERVICE, secure=True, region=region)
        gate = self.gatekeeper.at(tx, arrival)
        name = resource.arn if isinstance(resource, Resource) else resource
        try:
            await gate.authorise(self.principal, action, [resource])
        except AccessDenied as error:
            raise UpstreamAccessDenied(error.message) from error
        finally:
            self.decided[f"{action} {name}"] = gate.decisions
