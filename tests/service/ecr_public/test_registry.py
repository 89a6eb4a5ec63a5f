"""Public registries over the OCI routes: everybody pulls, the owner pushes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.service.ecr_public.harness import Public, alias, api, digest, password, token
from tests.support.server import Account, server_thread

HOSTS = ["public.ecr.aws", "public.ecr.localhost:4566", "PUBLIC.ECR.AWS"]


@pytest.fixture
def web(admin: Account) -> str:
    """A public repository with an image `v1`; its name in paths."""
    api(admin).create_repository(repositoryName="apps/web")
    name = f"{alias(admin)}/apps/web"
    assert Public.signed_in(admin).push(name, "v1").status == 201
    return name


@pytest.mark.parametrize("host", HOSTS)
def test_everybody_pulls(host: str, admin: Account, web: str) -> None:
    nobody = Public(admin, host=host)
    found = nobody.pull(web, "v1")
    assert found.status == 200
    layer = json.loads(found.body)["layers"][0]["digest"]
    assert nobody.send("GET", f"/v2/{web}/blobs/{layer}").body == b"layer"
    assert nobody.send("HEAD", f"/v2/{web}/manifests/v1").status == 200
    assert nobody.send("GET", f"/v2/{web}/tags/list").json == {"name": web, "tags": ["v1"]}
    assert nobody.send("GET", f"/v2/{web}/referrers/{found.headers['docker-content-digest']}").json["manifests"] == []


def test_what_containerd_asks_with_a_namespace(admin: Account, web: str) -> None:
    nobody = Public(admin, host="127.0.0.1:4566")
    for namespace in ("public.ecr.aws", "public.ecr.localhost:4566"):
        assert nobody.send("GET", f"/v2/{web}/manifests/v1?ns={namespace}").status == 200
    assert nobody.send("GET", f"/v2/{web}/manifests/v1").status == 401


def test_nobody_pushes_and_nobody_deletes(admin: Account, web: str) -> None:
    nobody = Public(admin)
    for method, path in (
        ("POST", f"/v2/{web}/blobs/uploads/"),
        ("PUT", f"/v2/{web}/manifests/v2"),
        ("DELETE", f"/v2/{web}/manifests/v1"),
        ("GET", f"/v2/{web}/blobs/uploads/00000000-0000-0000-0000-000000000000"),
        ("GET", "/v2/"),
    ):
        refused = nobody.send(method, path)
        assert refused.status == 401, (method, path)
        assert refused.headers["www-authenticate"] == (
            'Bearer realm="http://public.ecr.aws/v2/_token",service="public.ecr.aws",scope="aws"'
        )


def test_the_token_flow(admin: Account, web: str) -> None:
    nobody = Public(admin)
    given = nobody.send("GET", "/v2/_token?service=public.ecr.aws&scope=aws").json
    assert given["token"] == given["access_token"]
    named = Public(admin, f"Bearer {given['token']}")
    assert named.send("GET", "/v2/").status == 200
    assert named.pull(web, "v1").status == 200
    assert named.push(web, "v2").status == 401
    user = base64.b64encode(f"AWS:{password(token(admin))}".encode()).decode()
    own = Public(admin, f"Basic {user}").send("GET", "/v2/_token").json["token"]
    assert Public(admin, f"Bearer {own}").push(web, "v2").status == 201
    assert Public(admin, "Basic QVdTOndyb25n").send("GET", "/v2/_token").status == 401
    assert nobody.send("POST", "/v2/_token").status == 405


def test_tokens_are_for_one_kind_of_registry(admin: Account, web: str) -> None:
    private = admin.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    for scheme in ("Basic", "Bearer"):
        assert Public(admin, f"{scheme} {private}").pull(web, "v1").status == 401
    host = f"{admin.id}.dkr.ecr.us-east-1.amazonaws.com"
    admin.ecr.create_repository(repositoryName="web")
    for scheme in ("Basic", "Bearer"):
        there = Public(admin, f"{scheme} {token(admin)}", host)
        assert there.send("GET", "/v2/web/tags/list").status == 401


def test_private_content_does_not_show(admin: Account, web: str) -> None:
    """The same name, the same blob: what is private is unknown here, whoever asks."""
    admin.ecr.create_repository(repositoryName="secret")
    private = admin.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    inside = Public(admin, f"Basic {private}", f"{admin.id}.dkr.ecr.us-east-1.localhost")
    assert inside.push("secret", "v1", b"confidential").status == 201
    prefix = alias(admin)
    for who in (Public(admin), Public.signed_in(admin)):
        assert who.pull(f"{prefix}/secret", "v1").json["errors"][0]["code"] == "NAME_UNKNOWN"
        assert who.send("GET", f"/v2/{web}/blobs/{digest(b'confidential')}").status == 404
        assert who.pull("nobody-has-this/secret", "v1").json["errors"][0]["code"] == "NAME_UNKNOWN"
    mount = f"/v2/{web}/blobs/uploads/?mount={digest(b'confidential')}"
    for source in ("secret", f"{prefix}/secret", f"{admin.id}/secret"):
        assert Public.signed_in(admin).send("POST", f"{mount}&from={source}").status == 202


def test_a_mount_between_public_repositories(admin: Account, web: str) -> None:
    api(admin).create_repository(repositoryName="other")
    signed_in = Public.signed_in(admin)
    name = f"{alias(admin)}/other"
    mounted = signed_in.send("POST", f"/v2/{name}/blobs/uploads/?mount={digest(b'layer')}&from={web}")
    assert (mounted.status, mounted.headers["location"]) == (201, f"/v2/{name}/blobs/{digest(b'layer')}")


def test_others_push_when_the_policy_lets_them(admin: Account, web: str) -> None:
    other = Account(admin.server, admin.server.new_account())
    assert Public.signed_in(other).push(web, "v2").status == 403
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{other.id}:root"}, "Action": "ecr-public:*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    api(admin).set_repository_policy(repositoryName="apps/web", policyText=text)
    assert Public.signed_in(other).push(web, "v2").status == 201


def test_a_user_without_permission_does_not_push(admin: Account, web: str) -> None:
    allowed = {
        "Effect": "Allow",
        "Action": ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken", "ecr:*"],
        "Resource": "*",
    }
    user = Account(admin.server, admin.user("reader", allowed))
    refused = Public.signed_in(user).push(web, "v2")
    assert refused.status == 403
    assert (
        f"ecr-public:InitiateLayerUpload on resource: arn:aws:ecr-public::{admin.id}:repository/apps/web"
        in refused.text
    )
    assert Public.signed_in(user).pull(web, "v1").status == 200


def test_pulls_are_rate_limited(tmp_path: Path) -> None:
    quotas = {"PublicAnonymousPullsPerSecond": 1, "PublicPullsPerSecond": 0}
    with server_thread(tmp_path / "data", ecr_quotas=quotas) as server:
        account = Account(server, server.new_account())
        api(account).create_repository(repositoryName="web")
        name = f"{alias(account)}/web"
        signed_in = Public.signed_in(account)
        assert signed_in.push(name, "v1").status == 201
        answers = [Public(account).pull(name, "v1") for _ in range(15)]
        assert [answer.status for answer in answers[:10]] == [200] * 10
        refused = answers[-1]
        assert (refused.status, refused.json["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
        assert int(refused.headers["retry-after"]) >= 1
        assert Public(account).send("HEAD", f"/v2/{name}/manifests/v1").status == 200
        assert {signed_in.pull(name, "v1").status for _ in range(30)} == {200}


def test_who_signed_in_has_a_rate_of_their_own(tmp_path: Path) -> None:
    quotas = {"PublicAnonymousPullsPerSecond": 0, "PublicPullsPerSecond": 1}
    with server_thread(tmp_path / "data", ecr_quotas=quotas) as server:
        account, another = Account(server, server.new_account()), Account(server, server.new_account())
        api(account).create_repository(repositoryName="web")
        name = f"{alias(account)}/web"
        signed_in = Public.signed_in(account)
        assert signed_in.push(name, "v1").status == 201
        assert [signed_in.pull(name, "v1").status for _ in range(15)][-1] == 429
        assert Public.signed_in(another).pull(name, "v1").status == 200, "each account has its own"
        assert {Public(account).pull(name, "v1").status for _ in range(30)} == {200}
