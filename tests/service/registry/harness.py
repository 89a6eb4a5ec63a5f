"""A registry and the ECR API on SQLite, in this process: real store, blobs, IAM and uvicorn, nothing mocked."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import uvicorn
from obstore.store import S3Store
from sqlalchemy import delete, insert, update
from tests.support.trail import no_trail

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.resource import KeyValues, Named
from roadstead.access.sealing import Sealer
from roadstead.access.tables import account_revisions, inline_policies, users
from roadstead.audit.trail import Trail
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import SystemClock
from roadstead.kernel.settings import Deployment
from roadstead.registry import RegistryApp, open_backend
from roadstead.server.http import PatientHttpProtocol
from roadstead.server.repeats import Repeats
from roadstead.services import ecr
from roadstead.services.ecr.api import (
    PullRecorder,
    PullThrough,
    Registries,
    RegistryLimits,
    RegistryStorage,
    RepositoryKey,
    UpstreamClient,
    UpstreamRegistries,
    find_blob,
)
from roadstead.services.operation import OPERATIONS, Afterwards, Context, Outside
from roadstead.store import Store, Transaction, open_store
from roadstead.store.blobs import BlobStore, DiskBlobStore
from roadstead.store.blobs.s3 import S3BlobStore

assert ecr  # its import declares the operations

ACCOUNT = "000000000000"
REGION = "us-east-1"
OTHER_ACCOUNT = "111111111111"

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class MovableClock(SystemClock):
    """The machine's clock: its wall time is put forward by `offset`, and `waited` is time that has passed besides."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.waited = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset + self.waited

    def monotonic(self) -> float:
        return super().monotonic() + self.waited.total_seconds()


def user(name: str = "admin", account: str = ACCOUNT) -> Principal:
    arn = Arn(service="iam", region="", account=account, resource=f"user/{name}")
    return Principal(PrincipalKind.USER, account, arn, arn, f"AIDA{name}", f"AKIA{name}")


def digest_of(content: bytes) -> str:
    return "sha256:" + sha256(content).hexdigest()


def descriptor(media_type: str, content: bytes, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


def image_manifest(config: bytes, layers: Sequence[bytes], **more: object) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, config),
            "layers": [descriptor(OCI_LAYER, layer) for layer in layers],
            **more,
        }
    ).encode()


def index_manifest(children: Sequence[bytes], **more: object) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [descriptor(OCI_MANIFEST, child) for child in children],
            **more,
        }
    ).encode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    lines: Sequence[str] = ()
    """The head, line by line."""

    def raw_headers(self, name: str) -> list[str]:
        found = (line.partition(":") for line in self.lines)
        return [value.strip() for given, _, value in found if given.lower() == name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["errors"][0]["code"])


@dataclass
class Harness:
    store: Store
    blobs: BlobStore
    sealer: Sealer
    gatekeeper: Gatekeeper
    deployment: Deployment
    clock: MovableClock
    pulls: PullRecorder
    components: Mapping[type, object]
    principal: Principal = field(default_factory=user)
    port: int = 0

    async def allow(self, name: str, statements: Sequence[Mapping[str, object]], account: str = ACCOUNT) -> None:
        """Make a user with one policy."""
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

        async def write(tx: Transaction) -> None:
            row = {"account": account, "user_name": name, "user_id": f"AIDA{name}", "path": "/"}
            await tx.execute(insert(users).values(**row, created_at=self.clock.now()))
            values = {"account": account, "entity_kind": "user", "entity_name": name}
            await tx.execute(insert(inline_policies).values(**values, policy_name="test", document=document))

        await self.store.run(write)

    async def forbid(self, name: str, account: str = ACCOUNT) -> None:
        """Take every policy of a user away, as IAM does it: with the account's revision."""

        async def write(tx: Transaction) -> None:
            policies, revisions = inline_policies.c, account_revisions.c
            await tx.execute(delete(inline_policies).where(policies.account == account, policies.entity_name == name))
            raised = update(account_revisions).where(revisions.account == account)
            await tx.execute(raised.values(revision=revisions.revision + 1))

        await self.store.run(write)

    async def api(
        self,
        operation: str,
        request: Mapping[str, object],
        *,
        principal: Principal | None = None,
        account: str | None = None,
        region: str = REGION,
        service: str = "ecr",
    ) -> Any:
        """Call an operation as the gateway does: resources, decision and handler in one transaction."""
        declared = OPERATIONS[f"{service}:{operation}"]
        who = principal or self.principal
        prepared: object = None

        async def context(tx: Transaction) -> Context:
            async def authorise(action: str, resources: Sequence[Named], context: KeyValues | None = None) -> None:
                await self.gatekeeper.at(tx).authorise(who, action, resources, context)

            ctx = Context(
                request_id="r",
                account=account or who.account,
                region=region,
                principal=who,
                clock=self.clock,
                tx=tx,
                deployment=self.deployment,
                authorise=authorise,
                components=self.components,
                prepared=prepared,
            )
            named = ["*"] if declared.resources is None else await declared.resources(ctx, request)
            keys = await declared.keys(ctx, request) if declared.keys is not None else None
            await authorise(declared.action, named, keys)
            return ctx

        async def asked() -> Principal:
            async with self.store.snapshot() as tx:
                return (await context(tx)).principal

        async def work(tx: Transaction) -> Any:
            return await declared.handler(await context(tx), request)

        if declared.before is not None:
            outside = Outside(self.store, self.clock, self.deployment, self.components, asked, asked, context)
            prepared = await declared.before(outside, request)
        if declared.reads:
            async with self.store.snapshot() as tx:
                answer = await work(tx)
        else:
            answer = await self.store.run(work)
        return await answer.work() if isinstance(answer, Afterwards) else answer

    @property
    def storage(self) -> RegistryStorage:
        storage = self.components[RegistryStorage]
        assert isinstance(storage, RegistryStorage)
        return storage

    async def location(self, name: str, digest: str) -> str:
        """Where the blob store keeps a blob that the repository has."""
        async with self.store.snapshot() as tx:
            found = await find_blob(tx, RepositoryKey(ACCOUNT, REGION, name), digest)
        assert found is not None
        return found.location

    async def create_repository(self, name: str, **more: object) -> None:
        await self.api("CreateRepository", {"repositoryName": name, **more})

    async def token(self, principal: Principal | None = None, region: str = REGION) -> str:
        answer = await self.api("GetAuthorizationToken", {}, principal=principal, region=region)
        return str(answer["authorizationData"][0]["authorizationToken"])

    async def http(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = "",
        host: str | None = None,
    ) -> Answer:
        """One request on a connection of its own; `token` None sends no credentials."""
        sent = {"Host": host or f"localhost:{self.port}", "Connection": "close", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Basic {token or await self.token()}"
        if body or method in ("PUT", "POST", "PATCH"):
            sent.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return await exchange(self.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    async def push_blob(self, name: str, content: bytes) -> str:
        digest = digest_of(content)
        answer = await self.http("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer
        return digest

    async def push_manifest(self, name: str, reference: str, content: bytes) -> Answer:
        media_type = json.loads(content)["mediaType"]
        return await self.http("PUT", f"/v2/{name}/manifests/{reference}", content, {"Content-Type": media_type})

    async def push_image(self, name: str, tag: str, seed: bytes = b"layer") -> str:
        config, layer = b'{"os":"linux","seed":"%b"}' % seed, b"layer of " + seed
        await self.push_blob(name, config)
        await self.push_blob(name, layer)
        answer = await self.push_manifest(name, tag, image_manifest(config, [layer]))
        assert answer.status == 201, answer
        return answer.headers["docker-content-digest"]


async def exchange(port: int, data: bytes) -> Answer:
    """Send raw bytes and read the answer up to the connection's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(60):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            body = await reader.read()
    finally:
        writer.close()
    lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunk(body)
    return Answer(int(lines[0].split()[1]), headers, body, lines)


def _unchunk(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + body[:length], body[length + 2 :]
        if not length:
            break
    return whole


@asynccontextmanager
async def running_registry(
    root: Path,
    *,
    max_layer_bytes: int | None = None,
    fresh: bool = True,
    url: str | None = None,
    settings: Mapping[str, Any] | None = None,
    bucket: S3Store | None = None,
    presigned: bool = False,
    trail: Trail | None = None,
) -> AsyncGenerator[Harness]:
    """A registry that listens on a free port of 127.0.0.1, with an administrator whom everything is allowed."""
    clock = MovableClock()
    with socket.socket(
        proto=socket.IPPROTO_TCP
    ) as listener:  # asyncio sets TCP_NODELAY only where it knows the protocol
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
        deployment = Deployment(data_dir=root, port=port, **(settings or {}))
        async with await open_store(url or f"sqlite:///{root / 'roadstead.db'}", clock=clock) as store:
            await store.create_all()
            blobs = S3BlobStore(store, bucket, presigned=presigned) if bucket else DiskBlobStore(root / "blobs")
            master = MasterKey.load_or_create(root / "master.key")
            sealer = await Sealer.load(store, master, clock)
            gatekeeper = Gatekeeper(sealer, master, clock)
            pulls = PullRecorder(store, clock)
            storage = RegistryStorage(store, blobs, limits=RegistryLimits(deployment.ecr_quotas))
            registries = Registries(storage, gatekeeper, pulls, trail or no_trail())
            pull_through = PullThrough(storage, UpstreamRegistries(deployment, UpstreamClient(clock), registries))
            components = {
                Sealer: sealer,
                PullRecorder: pulls,
                RegistryStorage: storage,
                PullThrough: pull_through,
            }
            harness = Harness(store, blobs, sealer, gatekeeper, deployment, clock, pulls, components, port=port)
            if fresh:
                await _let_administrators_in(harness)
            limits = {} if max_layer_bytes is None else {"max_layer_bytes": max_layer_bytes}
            backend = open_backend(storage, gatekeeper, pulls, pull_through, clock, **limits)
            async with serving(RegistryApp(backend, deployment, clock, trail or no_trail()), listener):
                yield harness
            await pull_through.close()
            await blobs.close()


async def _let_administrators_in(harness: Harness) -> None:
    await harness.store.run(lambda tx: tx.execute(insert(account_revisions).values(account=ACCOUNT, revision=1)))
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    for account in (ACCOUNT, OTHER_ACCOUNT):
        await harness.allow("admin", everything, account)


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncGenerator[None]:
    class Protocol(PatientHttpProtocol):
        repeats = Repeats()

    config = uvicorn.Config(
        app, http=Protocol, lifespan="off", access_log=False, log_level="warning", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await _started(server)
        yield
    finally:
        server.should_exit = True
        await task


async def _started(server: uvicorn.Server) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while not server.started:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


def basic(user_name: str, password: str) -> str:
    return base64.b64encode(f"{user_name}:{password}".encode()).decode()
