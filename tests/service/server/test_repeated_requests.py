"""A manifest or a blob that is asked for again and again: whatever changes meanwhile, the next answer is of after it, on either database."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from tests.service.audit.told import event_of
from tests.support.postgres import PostgresServer
from tests.support.server import Account, Answer, Keys, ServerThread, server_thread

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PULL = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}


LOOSE = b"of no image"


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


@dataclass
class Client:
    """Who asks for `web:v1` of an account, always in the same bytes."""

    account: Account
    server: ServerThread
    keys: Keys

    def __post_init__(self) -> None:
        ecr = self.server.client("ecr", self.keys)
        self._token: str = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        named = {"host": f"{self.account.id}.dkr.ecr.us-east-1.localhost", "authorization": f"Basic {self._token}"}
        return self.server.send(method, f"/v2/web{path}", {**named, **headers}, body)

    def ask(self, method: str = "GET", reference: str = "v1") -> Answer:
        """A manifest, three times the same; what the answers agree on."""
        return self.ask_for(f"/manifests/{reference}", method)

    def ask_for(self, path: str, method: str = "GET") -> Answer:
        """Three times the same; what the answers agree on."""
        answers = [self.send(method, path) for _ in range(3)]
        assert len({answer.headers["x-amzn-requestid"] for answer in answers}) == 3
        told = [{**a.headers, "x-amzn-requestid": "", "date": ""} for a in answers]
        assert told == told[:1] * 3
        assert len({(answer.status, answer.body) for answer in answers if answer.status == 200}) <= 1
        return answers[-1]

    def push(self, name: str, tag: str = "v1") -> str:
        """Push an image of a name; its digest."""
        config = name.encode()
        digest = digest_of(config)
        assert self.send("POST", f"/blobs/uploads/?digest={digest}", config).status == 201
        about = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
        content = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": about, "layers": []}).encode()
        pushed = self.send("PUT", f"/manifests/{tag}", content, **{"content-type": MANIFEST})
        assert pushed.status == 201
        return pushed.headers["docker-content-digest"]


@pytest.fixture
def client(admin: Account) -> Client:
    """Somebody with a key of its own, who may do everything with images."""
    admin.ecr.create_repository(repositoryName="web")
    return Client(admin, admin.server, admin.user("bob", PULL))


def test_the_same_answer_comes_with_a_request_id_and_an_event_of_its_own(client: Client) -> None:
    digest = client.push("one")
    for method, reference in (("GET", "v1"), ("HEAD", "v1"), ("GET", digest), ("HEAD", digest)):
        first = client.send(method, f"/manifests/{reference}")
        again = client.ask(method, reference)
        assert again.headers["docker-content-digest"] == digest
        assert again.body == first.body
        assert dict(again.headers).keys() == dict(first.headers).keys()
        told, before = (event_of(client.server, a.headers["x-amzn-requestid"]) for a in (again, first))
        assert told["eventID"] != before["eventID"]
        for same in ("eventName", "userIdentity", "requestParameters", "resources", "sourceIPAddress", "awsRegion"):
            assert told[same] == before[same]


def test_a_blob_comes_again_with_a_request_id_and_an_event_of_its_own(client: Client) -> None:
    client.push("one")
    digest = digest_of(b"one")
    first = client.send("GET", f"/blobs/{digest}")
    again = client.ask_for(f"/blobs/{digest}")
    assert again.body == first.body == b"one"
    assert dict(again.headers).keys() == dict(first.headers).keys()
    told, before = (event_of(client.server, a.headers["x-amzn-requestid"]) for a in (again, first))
    assert told["eventID"] != before["eventID"]
    for same in ("eventName", "userIdentity", "requestParameters", "resources", "sourceIPAddress", "awsRegion"):
        assert told[same] == before[same]


def move_the_tag(client: Client) -> None:
    client.push("two")


def delete_the_image(client: Client) -> None:
    client.account.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageTag": "v1"}])


def delete_the_repository(client: Client) -> None:
    client.account.ecr.delete_repository(repositoryName="web", force=True)


def deny_in_the_repository(client: Client) -> None:
    actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": actions}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.account.ecr.set_repository_policy(repositoryName="web", policyText=text)


def take_the_policy(client: Client) -> None:
    client.account.iam.delete_user_policy(UserName="bob", PolicyName="p")


CHANGES: list[tuple[Callable[[Client], None], int]] = [
    (move_the_tag, 200),
    (delete_the_image, 404),
    (delete_the_repository, 404),
    (deny_in_the_repository, 403),
    (take_the_policy, 403),
]


@pytest.mark.parametrize(("change", "status"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_next_answer_is_of_after_a_change(
    client: Client, method: str, change: Callable[[Client], None], status: int
) -> None:
    client.push("one")
    before = client.ask(method)
    assert before.status == 200
    change(client)
    after = client.send(method, "/manifests/v1")
    assert after.status == status
    if status == 200:
        assert after.headers["docker-content-digest"] != before.headers["docker-content-digest"]


def delete_the_blob(client: Client) -> None:
    assert client.send("DELETE", f"/blobs/{digest_of(LOOSE)}").status == 202


BLOB_CHANGES = [
    (delete_the_blob, 404),
    (delete_the_repository, 404),
    (deny_in_the_repository, 403),
    (take_the_policy, 403),
]


@pytest.mark.parametrize(("change", "status"), BLOB_CHANGES, ids=[change.__name__ for change, _ in BLOB_CHANGES])
def test_the_next_blob_is_of_after_a_change(client: Client, change: Callable[[Client], None], status: int) -> None:
    path = f"/blobs/{digest_of(LOOSE)}"
    assert client.send("POST", f"/blobs/uploads/?digest={digest_of(LOOSE)}", LOOSE).status == 201
    before = client.ask_for(path)
    assert (before.status, before.body) == (200, LOOSE)
    change(client)
    assert client.send("GET", path).status == status


@pytest.fixture(scope="module")
def two_servers(postgres_server: PostgresServer) -> Iterator[tuple[ServerThread, ServerThread]]:
    """Two servers of one database, with one master key and one place for blobs."""
    name = postgres_server.create_database()
    url = postgres_server.url(name)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with (
            server_thread(Path(folder) / "a", database=url, state=state) as first,
            server_thread(Path(folder) / "b", database=url, state=state) as second,
        ):
            yield first, second
    postgres_server.drop_database(name)


@pytest.mark.parametrize(("change", "status"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_the_next_answer_is_of_after_another_server_s_change(
    two_servers: tuple[ServerThread, ServerThread], change: Callable[[Client], None], status: int
) -> None:
    here, there = two_servers
    admin = Account(there, there.new_account())
    admin.ecr.create_repository(repositoryName="web")
    bob = admin.user("bob", PULL)
    asking, changing = Client(admin, here, bob), Client(admin, there, bob)
    changing.push("one")
    before = asking.ask()
    assert before.status == 200
    change(changing)
    after = asking.send("GET", "/manifests/v1")
    assert after.status == status
    assert after.headers.get("docker-content-digest") != before.headers["docker-content-digest"]
