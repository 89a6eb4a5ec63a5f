"""A whole server in a thread of the test's process, on a port of its own: uvicorn, router, gateway, registry, store, controllers.

A conftest.py imports the fixtures: `from tests.support.server import admin, postgres_backed_server, server, sqlite_server`.
Tests share a server; each has an account of its own, so they don't see each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
import uvloop
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.postgres import PostgresServer
from tests.support.store import DATABASES

from roadstead.access.master_key import MasterKey
from roadstead.access.sealing import Sealer
from roadstead.core.sigv4 import SignableRequest, sign
from roadstead.gateway.app import Limits
from roadstead.gateway.forwarding import UpstreamSettings
from roadstead.kernel.settings import PullThrough
from roadstead.server.ecr_settings import EcrSettings
from roadstead.server.parts import Server, running_server
from roadstead.server.serving import HttpServer, uvicorn_config
from roadstead.server.settings import ServerSettings
from roadstead.services.iam.api import user_with_key
from roadstead.store import Transaction

T = TypeVar("T")
REGION = "us-east-1"
START_SECONDS = 60.0
ALLOW_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
_accounts = itertools.count(100000000001)


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials; `token` is set for a session's."""

    account: str
    key: str
    secret: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error that a boto3 call was answered with."""

    code: str
    status: int
    message: str


def refusal(call: Callable[..., Any], **parameters: Any) -> Refusal:
    """The error of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response: Any = caught.value.response
    error = response["Error"]
    return Refusal(error["Code"], response["ResponseMetadata"]["HTTPStatusCode"], error["Message"])


class ServerThread:
    """The server and what tests do with it."""

    def __init__(self, settings: ServerSettings, listener: socket.socket, limits: Limits, head: float) -> None:
        self.settings = settings
        self.port = settings.port
        self._listener = listener
        self._limits = limits
        self._head_seconds = head
        self._started: Future[Server] = Future()
        self._web: HttpServer
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name=f"server:{self.port}", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._server = self._started.result(START_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._web.stop)
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive()

    def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a transaction on the server's own store."""

        async def on_loop() -> T:
            return await self._server.store.run(work)

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(30)

    @property
    def version(self) -> int | None:
        """What the store's version is now: it changes with every commit."""
        return self._server.store.version

    def sealer(self) -> Sealer:
        """What the server seals tokens with."""
        store, clock = self._server.store, self._server.store.clock
        master = MasterKey.load(self.settings.master_key)
        return asyncio.run_coroutine_threadsafe(Sealer.load(store, master, clock), self._loop).result(30)

    def new_account(self, policy: str = ALLOW_ALL) -> Keys:
        """A user `admin` in an account that nobody has used."""
        return self.new_user(str(next(_accounts)), "admin", policy)

    def new_user(self, account: str, name: str, policy: str = ALLOW_ALL) -> Keys:
        """A user in any account, made past the API."""
        master, now = MasterKey.load(self.settings.master_key), datetime.now(UTC)
        issued = self.run(
            lambda tx: user_with_key(tx, master=master, account=account, name=name, path="/", policy=policy, now=now)
        )
        return Keys(account, issued.access_key_id, issued.secret_access_key)

    def client(self, service: str, keys: Keys, region: str = REGION) -> Any:
        """A boto3 client that does not retry."""
        return boto3.client(  # type: ignore[call-overload]
            service,  # type: ignore[arg-type]
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=region,
            aws_access_key_id=keys.key,
            aws_secret_access_key=keys.secret,
            aws_session_token=keys.token,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30, connect_timeout=5),
        )

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One request on a connection of its own, sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            return read_answer(connection.getresponse())

    def signed(self, keys: Keys, service: str, headers: Mapping[str, str], body: bytes, **more: Any) -> dict[str, str]:
        """The headers of a signed request; see `signed_headers`."""
        return signed_headers(self.port, keys, service, headers, body, **more)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self._serve())
            except BaseException as error:
                if self._started.done():
                    raise
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with running_server(self.settings, limits=self._limits) as server:
            config = uvicorn_config(server.app, server.relay_keys)
            config.http = type("Protocol", (config.http,), {"head_seconds": self._head_seconds})  # type: ignore[arg-type]
            self._web = HttpServer(config, server.links.drain)
            self._started.set_result(server)  # the listener is open: whoever connects now waits until it is served
            await self._web.serve(sockets=[self._listener])


def signed_headers(
    port: int,
    keys: Keys,
    service: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str = "POST",
    path: str = "/",
    region: str = REGION,
    now: datetime | None = None,
    payload_hash: str | None = None,
    encoded_once: bool = False,
) -> dict[str, str]:
    """`headers` with host and signature; `path` may have a query."""
    bare, _, query = path.partition("?")
    full = {"host": f"127.0.0.1:{port}", **headers}
    request = SignableRequest(method, bare, query, full, payload_hash or sha256(body).hexdigest(), encoded_once)
    added = sign(
        request,
        access_key_id=keys.key,
        secret=keys.secret,
        region=region,
        service=service,
        now=now or datetime.now(UTC),
        session_token=keys.token,
    )
    return {**full, **added}


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """A response, read to its end."""
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


@contextlib.contextmanager
def server_thread(
    data: Path,
    *,
    database: str | None = None,
    limits: Limits | None = None,
    head_seconds: float = 20.0,
    upstreams: tuple[UpstreamSettings, ...] = (),
    ecr_quotas: Mapping[str, int] | None = None,
    pull_through: PullThrough | None = None,
    state: Path | None = None,
) -> Generator[ServerThread]:
    """A server that runs while the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = ServerSettings(
            data_dir=data,
            port=listener.getsockname()[1],
            database=database,
            state=state,
            upstreams=upstreams,
            ecr=EcrSettings(ecr_quotas or {}, pull_through or PullThrough()),
        )
        server = ServerThread(settings, listener, limits or Limits(), head_seconds)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    """The server on SQLite, for tests of what does not depend on the database."""
    with server_thread(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_backed_server(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[ServerThread]:
    """The server on PostgreSQL."""
    name = postgres_server.create_database()
    with server_thread(tmp_path_factory.mktemp("server"), database=postgres_server.url(name)) as running:
        yield running
    postgres_server.drop_database(name)


@pytest.fixture(scope="session", params=DATABASES)
def server(request: pytest.FixtureRequest) -> ServerThread:
    """The server on each database."""
    return request.getfixturevalue("sqlite_server" if request.param == "sqlite" else "postgres_backed_server")


@dataclass(slots=True)
class Account:
    """A user who may do everything in an account of its own, and its clients."""

    server: ServerThread
    keys: Keys
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.keys.account

    def __getattr__(self, service: str) -> Any:
        """The boto3 client of a service: `account.iam`."""
        if service.startswith("_"):
            raise AttributeError(service)
        if service not in self._clients:
            self._clients[service] = self.server.client(service, self.keys)
        return self._clients[service]

    def user(self, name: str, *statements: Mapping[str, object]) -> Keys:
        """Another user with these policy statements, and its key."""
        self.iam.create_user(UserName=name)
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(self.id, key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture
def admin(server: ServerThread) -> Account:
    """The administrator of a fresh account, on each database."""
    return Account(server, server.new_account())


@pytest.fixture
def sqlite_admin(sqlite_server: ServerThread) -> Account:
    """The administrator of a fresh account, on SQLite."""
    return Account(sqlite_server, sqlite_server.new_account())
