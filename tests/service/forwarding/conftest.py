from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.support.server import Keys, ServerThread, server_thread

from roadstead.gateway.app import Limits
from roadstead.gateway.forwarding import UpstreamSettings

ACCOUNT = "000000000000"
_numbers = itertools.count(1)


def s3_upstream(server: S3Server, **changes: Any) -> UpstreamSettings:
    """The settings of an upstream of S3."""
    known: dict[str, Any] = {
        "service": "s3",
        "endpoint": server.endpoint,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
    }
    return UpstreamSettings(**{**known, **changes})


class Deployment:
    """A server with an upstream of S3, and principals of the account that the upstream belongs to."""

    def __init__(self, server: ServerThread, s3: S3Server) -> None:
        self.server = server
        self.s3 = s3
        self.admin = self.user({"Effect": "Allow", "Action": "*", "Resource": "*"})

    def user(self, *statements: Mapping[str, object]) -> Keys:
        """A user of its own with these policy statements."""
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        return self.server.new_user(ACCOUNT, f"user-{next(_numbers)}", document)

    def client(self, *statements: Mapping[str, object]) -> Any:
        """A boto3 client of S3, of the administrator or of a user with these statements."""
        return self.server.client("s3", self.user(*statements) if statements else self.admin)

    def bucket(self) -> str:
        """A new bucket."""
        name = f"bucket-{next(_numbers)}"
        self.s3.client().create_bucket(Bucket=name)
        return name

    def upstream_calls(self, since: int = 0) -> list[str]:
        """What the upstream's access log says."""
        return self.s3.log.read_text().splitlines()[since:]


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Deployment]:
    with server_thread(
        tmp_path_factory.mktemp("server"), upstreams=(s3_upstream(s3_server),), limits=Limits(idle=5.0)
    ) as server:
        yield Deployment(server, s3_server)


@pytest.fixture
def bucket(deployment: Deployment) -> str:
    return deployment.bucket()


ServerWith = Callable[..., ServerThread]


@pytest.fixture
def server_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerWith]:
    """Servers with other upstreams, for one test."""
    with contextlib.ExitStack() as stack:

        def start(*upstreams: UpstreamSettings, idle: float = 5.0) -> ServerThread:
            folder = tmp_path_factory.mktemp("server")
            return stack.enter_context(server_thread(folder, upstreams=upstreams, limits=Limits(idle=idle)))

        yield start
