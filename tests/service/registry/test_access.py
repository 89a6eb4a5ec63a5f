"""Who is let in, and to what: every route asks IAM, each time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.service.registry.harness import (
    OTHER_ACCOUNT,
    Harness,
    basic,
    digest_of,
    user,
)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """SQLite alone: what is refused here is refused before a database is asked, or by questions that other tests put to both."""
    return f"sqlite:///{tmp_path / 'roadstead.db'}"


async def test_who_is_not_let_in(web: Harness) -> None:
    token = await web.token()
    for bad in (
        None,
        basic("AWS", "nonsense"),
        basic("root", "x"),
        "%%%",
        basic("AWS", web.sealer.seal("session", descriptor_struct(), web.clock.now() + timedelta(hours=1))),
    ):
        answer = await web.http("GET", "/v2/", token=bad)
        assert (answer.status, answer.error) == (401, "UNAUTHORIZED"), bad
        basic_way, _ = answer.raw_headers("www-authenticate")
        assert basic_way.startswith(f'Basic realm="http://localhost:{web.port}/"')
    assert (await web.http("GET", "/v2/", token=token)).status == 200

    foreign = await web.token(user(account=OTHER_ACCOUNT))
    answer = await web.http("GET", "/v2/web/tags/list", token=foreign)
    assert (answer.status, answer.error) == (403, "DENIED")
    elsewhere = await web.token(region="eu-west-1")
    assert (await web.http("GET", "/v2/web/tags/list", token=elsewhere)).error == "DENIED"

    web.clock.offset = timedelta(hours=12, seconds=1)
    for used_before in (token, foreign):
        answer = await web.http("GET", "/v2/web/tags/list", token=used_before)
        assert (answer.status, answer.error) == (403, "DENIED")
        assert "Your authorization token has expired. Reauthenticate and try again." in answer.body.decode()


def descriptor_struct():
    import msgspec

    return msgspec.defstruct("Anything", [("kind", str, "User")])()


async def test_every_route_asks_iam(web: Harness) -> None:
    await web.push_image("web", "latest")
    await web.allow("nobody", [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}])
    token = await web.token(user("nobody"))
    digest = digest_of(b"layer of layer")
    upload = (await web.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    assert (await web.http("GET", "/v2/", token=token)).status == 200
    for method, path in [
        ("GET", "/v2/web/manifests/latest"),
        ("HEAD", "/v2/web/manifests/latest"),
        ("PUT", "/v2/web/manifests/latest"),
        ("DELETE", "/v2/web/manifests/latest"),
        ("GET", f"/v2/web/blobs/{digest}"),
        ("HEAD", f"/v2/web/blobs/{digest}"),
        ("DELETE", f"/v2/web/blobs/{digest}"),
        ("POST", "/v2/web/blobs/uploads/"),
        ("POST", f"/v2/web/blobs/uploads/?digest={digest}"),
        ("POST", f"/v2/web/blobs/uploads/?mount={digest}&from=web"),
        ("GET", upload),
        ("PATCH", upload),
        ("PUT", f"{upload}?digest={digest}"),
        ("DELETE", upload),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/web/tags/list"),
        ("GET", f"/v2/web/referrers/{digest}"),
        ("GET", "/v2/does-not-exist/tags/list"),
    ]:
        answer = await web.http(method, path, token=token)
        assert answer.status == 403, (method, path, answer)
        if method != "HEAD":
            assert answer.error == "DENIED"
            assert "is not authorized to perform: ecr:" in answer.body.decode()


async def test_mount_needs_leave_to_read_the_source(web: Harness) -> None:
    await web.create_repository("secret")
    digest = await web.push_blob("secret", b"secret content")
    arn = "arn:aws:ecr:us-east-1:000000000000:repository/web"
    await web.allow(
        "pusher",
        [
            {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {"Effect": "Allow", "Action": "ecr:*", "Resource": arn},
        ],
    )
    token = await web.token(user("pusher"))
    answer = await web.http("POST", f"/v2/web/blobs/uploads/?mount={digest}&from=secret", token=token)
    assert answer.status == 202
    assert (await web.http("HEAD", f"/v2/web/blobs/{digest}", token=token)).status == 404


async def test_an_upload_belongs_to_its_repository(web: Harness) -> None:
    await web.create_repository("other")
    place = (await web.http("POST", "/v2/web/blobs/uploads/")).headers["location"]
    elsewhere = place.replace("/web/", "/other/")
    for method in ("GET", "PATCH", "DELETE"):
        assert (await web.http(method, elsewhere)).error == "BLOB_UPLOAD_UNKNOWN"
    assert (await web.http("PUT", f"{elsewhere}?digest={digest_of(b'')}")).status == 404


async def test_a_changed_policy_is_seen_by_the_next_request(web: Harness) -> None:
    await web.push_image("web", "latest")
    read = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    await web.allow("reader", read)
    token = await web.token(user("reader"))
    paths = ["/v2/web/manifests/latest", f"/v2/web/blobs/{digest_of(b'layer of layer')}"]
    for path in paths * 2:
        assert (await web.http("GET", path, token=token)).status == 200
    await web.forbid("reader")
    for path in paths:
        assert (await web.http("GET", path, token=token)).status == 403
