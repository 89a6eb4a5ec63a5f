"""Pushes, pulls and logins are told as the ECR operations that do the same."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.service.audit.told import event_of
from tests.support.server import Account, Answer, Keys

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def token(account: Account, keys: Keys | None = None) -> str:
    ecr = account.server.client("ecr", keys or account.keys)
    return ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]


def told(account: Account, answer: Answer) -> Any:
    return event_of(account.server, answer.headers["x-amzn-requestid"])


def exchange(account: Account, method: str, path: str, auth: str | None, body: bytes = b"", **more: str) -> Answer:
    headers = {"host": f"{account.id}.dkr.ecr.us-east-1.localhost:{account.server.port}", **more}
    if auth is not None:
        headers["authorization"] = f"Basic {auth}"
    return account.server.send(method, path, headers, body)


def test_a_push_and_a_pull(sqlite_admin: Account) -> None:
    admin, auth = sqlite_admin, token(sqlite_admin)
    admin.ecr.create_repository(repositoryName="web")
    arn = f"arn:aws:ecr:us-east-1:{admin.id}:repository/web"
    content = b"{}"
    digest = f"sha256:{sha256(content).hexdigest()}"
    login = told(admin, exchange(admin, "GET", "/v2/", auth))
    assert (login["eventName"], login["userIdentity"]["userName"]) == ("RegistryLogin", "admin")
    pushed = exchange(admin, "POST", f"/v2/web/blobs/uploads/?digest={digest}", auth, content)
    assert pushed.status == 201
    event = told(admin, pushed)
    assert event["eventSource"] == "ecr.amazonaws.com"
    assert event["eventName"] == "InitiateLayerUpload"
    assert event["requestParameters"] == {"registryId": admin.id, "repositoryName": "web", "layerDigest": digest}
    assert event["resources"] == [{"ARN": arn, "accountId": admin.id, "type": "AWS::ECR::Repository"}]
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}).encode()
    headers = {"content-type": MANIFEST}
    event = told(admin, exchange(admin, "PUT", "/v2/web/manifests/v1", auth, manifest, **headers))
    assert (event["eventName"], event["readOnly"]) == ("PutImage", False)
    assert event["requestParameters"]["imageIds"] == [{"imageTag": "v1"}]
    assert event["responseElements"]["digest"].startswith("sha256:")
    (decision,) = event["additionalEventData"]["authorization"]
    assert (decision["action"], decision["resource"], decision["decision"]) == ("ecr:PutImage", arn, "allowed")
    event = told(admin, exchange(admin, "GET", "/v2/web/manifests/v1", auth))
    assert (event["eventName"], event["readOnly"]) == ("BatchGetImage", True)
    event = told(admin, exchange(admin, "GET", f"/v2/web/blobs/{digest}", auth))
    assert event["requestParameters"]["layerDigest"] == digest
    event = told(admin, exchange(admin, "GET", f"/v2/web/blobs/sha256:{'0' * 64}", auth))
    assert event["errorCode"] == "BLOB_UNKNOWN"
    event = told(admin, exchange(admin, "GET", "/v2/_catalog", auth))
    assert (event["eventName"], event["requestParameters"]) == ("DescribeRepositories", {"registryId": admin.id})


def test_a_denied_push_has_an_encoded_message_and_a_trace(sqlite_admin: Account) -> None:
    admin = sqlite_admin
    admin.ecr.create_repository(repositoryName="web")
    allow = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    auth = token(admin, admin.user("bob", allow))
    answer = exchange(admin, "POST", "/v2/web/blobs/uploads/", auth)
    (error,) = answer.json["errors"]
    assert (answer.status, error["code"]) == (403, "DENIED")
    sentence, _, encoded = error["message"].partition(". Encoded authorization failure message: ")
    assert sentence == (
        f"User: arn:aws:iam::{admin.id}:user/bob is not authorized to perform: ecr:InitiateLayerUpload on resource:"
        f" arn:aws:ecr:us-east-1:{admin.id}:repository/web because no identity-based policy allows the"
        " ecr:InitiateLayerUpload action"
    )
    decoded = json.loads(admin.sts.decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
    assert decoded["context"]["action"] == "ecr:InitiateLayerUpload"
    event = told(admin, answer)
    assert (event["errorCode"], event["errorMessage"]) == ("AccessDenied", sentence)
    assert event["additionalEventData"]["authorization"][0]["decision"] == "implicitDeny"
    assert encoded not in json.dumps(event)


def test_what_is_denied_before_an_operation_waits_for_others_is_told_of_its_caller(sqlite_admin: Account) -> None:
    """BatchGetImage asks upstream registries, outside of its transaction, and is decided before that."""
    admin = sqlite_admin
    ecr = admin.server.client("ecr", admin.user("eve", {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}))
    with pytest.raises(ClientError) as denied:
        ecr.batch_get_image(repositoryName="web", imageIds=[{"imageTag": "v1"}])
    event = event_of(admin.server, denied.value.response["ResponseMetadata"]["RequestId"])
    assert (event["errorCode"], event["userIdentity"]["userName"]) == ("AccessDeniedException", "eve")
    (decision,) = event["additionalEventData"]["authorization"]
    assert (decision["action"], decision["decision"]) == ("ecr:BatchGetImage", "implicitDeny")


def test_nobodys_requests_and_passwords(sqlite_admin: Account) -> None:
    event = told(sqlite_admin, exchange(sqlite_admin, "GET", "/v2/", None))
    assert (event["errorCode"], event["userIdentity"]["type"]) == ("UNAUTHORIZED", "Unknown")
    wrong = base64.b64encode(b"AWS:guessed-password").decode()
    event = told(sqlite_admin, exchange(sqlite_admin, "GET", "/v2/web/manifests/v1", wrong))
    assert event["errorCode"] == "UNAUTHORIZED"
    assert wrong not in json.dumps(event)
    event = told(sqlite_admin, exchange(sqlite_admin, "GET", "/v2/nothing", None))
    assert event["eventName"] == "UnknownOperation"
