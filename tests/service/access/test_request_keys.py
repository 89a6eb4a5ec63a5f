"""What every edge tells a policy of how a request came in, and that every edge's uses are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.server import Account, Answer, Keys, refusal
from tests.support.waiting import until

HERE = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
CONDITIONS: list[tuple[Mapping[str, object], bool]] = [
    (HERE, True),
    ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, False),
    ({"StringLike": {"aws:UserAgent": "tester/*"}}, True),
    ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
    ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, False),
    ({"Bool": {"aws:SecureTransport": "true"}}, False),
    ({"Bool": {"aws:ViaAWSService": "false"}}, True),
    ({"StringEquals": {"aws:username": "ann", "aws:PrincipalType": "User"}}, True),
    ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
    ({"NumericLessThan": {"aws:EpochTime": "1577836800"}}, False),
    ({"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}, True),
    ({"Null": {"aws:SourceVpc": "true", "aws:CalledVia": "true"}}, True),
]


def allowed_if(admin: Account, condition: Mapping[str, object]) -> Keys:
    """A user who may do everything with repositories under a condition."""
    login = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    return admin.user("ann", login, {"Effect": "Allow", "Action": "ecr:*", "Resource": "*", "Condition": condition})


def pull(admin: Account, keys: Keys, name: str, **headers: str) -> Answer:
    """A manifest through the registry."""
    answer = admin.server.client("ecr", keys).get_authorization_token()
    token = answer["authorizationData"][0]["authorizationToken"]
    host = f"{admin.id}.dkr.ecr.us-east-1.localhost:{admin.server.port}"
    sent = {"authorization": f"Basic {token}", "host": host, "user-agent": "tester/1", **headers}
    return admin.server.send("GET", f"/v2/{name}/manifests/none", sent)


@pytest.mark.parametrize(("condition", "allowed"), CONDITIONS, ids=str)
def test_the_registry_tells_a_policy(sqlite_admin: Account, condition: Mapping[str, object], allowed: bool):
    sqlite_admin.ecr.create_repository(repositoryName="web")
    answer = pull(sqlite_admin, allowed_if(sqlite_admin, condition), "web")
    assert (answer.status, answer.json["errors"][0]["code"]) == (
        (404, "MANIFEST_UNKNOWN") if allowed else (403, "DENIED")
    )


@pytest.mark.parametrize(("condition", "allowed"), CONDITIONS, ids=str)
def test_the_gateway_tells_a_policy(sqlite_admin: Account, condition: Mapping[str, object], allowed: bool):
    sqlite_admin.ecr.create_repository(repositoryName="web")
    body = b'{"repositoryName":"web"}'
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.ListImages",
        "user-agent": "tester/1",
    }
    server, keys = sqlite_admin.server, allowed_if(sqlite_admin, condition)
    answer = server.send("POST", "/", server.signed(keys, "ecr", headers, body), body)
    assert answer.status == (200 if allowed else 400), answer.text
    assert ("AccessDeniedException" in answer.text) is not allowed


def test_headers_of_proxies_are_not_believed(sqlite_admin: Account):
    sqlite_admin.ecr.create_repository(repositoryName="web")
    keys = allowed_if(sqlite_admin, {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    forged = {"x-forwarded-for": "192.0.2.1", "forwarded": "for=192.0.2.1", "x-real-ip": "192.0.2.1"}
    assert pull(sqlite_admin, keys, "web", **forged).status == 403


def test_a_remembered_answer_is_for_the_same_client_only(sqlite_admin: Account):
    """The registry gives answers of the last second again; a condition on the client's program still holds."""
    sqlite_admin.ecr.create_repository(repositoryName="web")
    digest = _push(sqlite_admin)
    keys = allowed_if(sqlite_admin, {"StringEquals": {"aws:UserAgent": "tester/1"}})
    token = sqlite_admin.server.client("ecr", keys).get_authorization_token()["authorizationData"][0]
    host = f"{sqlite_admin.id}.dkr.ecr.us-east-1.localhost:{sqlite_admin.server.port}"
    sent = {"authorization": f"Basic {token['authorizationToken']}", "host": host}

    def get(agent: str) -> int:
        path = f"/v2/web/manifests/{digest}"
        return sqlite_admin.server.send("GET", path, {**sent, "user-agent": agent}).status

    assert [get("tester/1"), get("tester/2"), get("tester/1")] == [200, 403, 200]


def _push(admin: Account) -> str:
    """An image without layers."""
    config = b"{}"
    part = admin.ecr.initiate_layer_upload(repositoryName="web")
    admin.ecr.upload_layer_part(
        repositoryName="web", uploadId=part["uploadId"], partFirstByte=0, partLastByte=1, layerPartBlob=config
    )
    made = admin.ecr.complete_layer_upload(
        repositoryName="web",
        uploadId=part["uploadId"],
        layerDigests=["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"],
    )
    manifest = (
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[],"config":'
        f'{{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"{made["layerDigest"]}"}}}}'
    )
    return admin.ecr.put_image(repositoryName="web", imageManifest=manifest, imageTag="a")["image"]["imageId"][
        "imageDigest"
    ]


def test_pulls_count_as_uses(admin: Account):
    admin.ecr.create_repository(repositoryName="web")
    keys = allowed_if(admin, HERE)
    assert pull(admin, keys, "web").status == 404
    arn = f"arn:aws:iam::{admin.id}:user/ann"

    def accessed() -> Any:
        job = admin.iam.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"]
        found = admin.iam.get_service_last_accessed_details(JobId=job)["ServicesLastAccessed"]
        actions = {a["ActionName"] for a in found[0].get("TrackedActionsLastAccessed", ())}
        return "BatchGetImage" in actions and found[0]

    ecr = until(accessed)
    assert (ecr["LastAuthenticatedEntity"], ecr["LastAuthenticatedRegion"]) == (arn, "us-east-1")
    used = admin.iam.get_access_key_last_used(AccessKeyId=keys.key)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("ecr", "us-east-1")


def test_a_key_is_used_by_calls_that_need_no_permission(sqlite_admin: Account):
    keys = sqlite_admin.user("bob")

    def used(service: str) -> Any:
        found = sqlite_admin.iam.get_access_key_last_used(AccessKeyId=keys.key)["AccessKeyLastUsed"]
        return found["ServiceName"] == service

    sqlite_admin.server.client("sts", keys).get_caller_identity()
    assert until(lambda: used("sts"))
    assert refusal(sqlite_admin.server.client("ecs", keys).list_clusters).code == "AccessDeniedException"
    assert until(lambda: used("ecs"))
