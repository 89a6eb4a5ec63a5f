"""Policies of repositories and of the registry: who of which account may do what, through the API and through the OCI routes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.service.registry.harness import ACCOUNT, OTHER_ACCOUNT, Harness, image_manifest, user

from roadstead.access.errors import AccessDenied
from roadstead.services.ecr import errors
from roadstead.services.ecr.registries import Setting

HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.localhost"
PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
PUSH = (*PULL, "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")
STRANGER = user(account=OTHER_ACCOUNT)


def policy(*actions: str, principal: object = "*", effect: str = "Allow", **more: object) -> str:
    statement = {"Sid": "s", "Effect": effect, "Principal": principal, "Action": list(actions), **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def of_account(account: str) -> dict[str, str]:
    return {"AWS": f"arn:aws:iam::{account}:root"}


async def _set(ecr: Harness, text: str, name: str = "web", **more: object) -> Any:
    return await ecr.api("SetRepositoryPolicy", {"repositoryName": name, "policyText": text, **more})


async def test_set_get_delete(ecr: Harness) -> None:
    await ecr.create_repository("web")
    with pytest.raises(errors.RepositoryPolicyNotFoundException) as missing:
        await ecr.api("GetRepositoryPolicy", {"repositoryName": "web"})
    assert missing.value.message == (
        f"Repository policy does not exist for the repository with name 'web' in the registry with id '{ACCOUNT}'"
    )
    text = policy(*PULL, principal=of_account(OTHER_ACCOUNT))
    described = {"registryId": ACCOUNT, "repositoryName": "web", "policyText": text}
    assert await _set(ecr, text) == described
    assert await ecr.api("GetRepositoryPolicy", {"repositoryName": "web"}) == described
    assert await ecr.api("DeleteRepositoryPolicy", {"repositoryName": "web"}) == described
    with pytest.raises(errors.RepositoryPolicyNotFoundException):
        await ecr.api("DeleteRepositoryPolicy", {"repositoryName": "web"})
    for operation in ("SetRepositoryPolicy", "GetRepositoryPolicy", "DeleteRepositoryPolicy"):
        with pytest.raises(errors.RepositoryNotFoundException):
            await ecr.api(operation, {"repositoryName": "none", "policyText": text})


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"Version":"2012-10-17","Statement":[]}',
        policy("s3:GetObject"),
        policy("ecr:BatchGetImage", Resource="*"),
        policy("ecr:BatchGetImage", principal={"AWS": "nobody"}),
        policy("ecr:BatchGetImage", Condition={"NoSuch": {"aws:username": "x"}}),
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*"}]}',
        "[" * 5000,
    ],
)
async def test_what_is_no_policy(ecr: Harness, text: str) -> None:
    await ecr.create_repository("web")
    with pytest.raises(errors.InvalidParameterException) as refused:
        await _set(ecr, text)
    start = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'"
    assert refused.value.message.startswith(start)


async def test_a_policy_that_locks_its_author_out_needs_force(ecr: Harness) -> None:
    await ecr.create_repository("web")
    text = policy("ecr:*", effect="Deny")
    with pytest.raises(errors.InvalidParameterException):
        await _set(ecr, text)
    await _set(ecr, text, force=True)
    with pytest.raises(AccessDenied) as denied:
        await ecr.api("GetRepositoryPolicy", {"repositoryName": "web"})
    assert "with an explicit deny in a resource-based policy" in denied.value.message


async def _pull(ecr: Harness, token: str, digest: str, blob: str) -> Sequence[int]:
    paths = ("/v2/web/manifests/latest", f"/v2/web/manifests/{digest}", f"/v2/web/blobs/{blob}")
    return [(await ecr.http("GET", path, token=token, host=HOST)).status for path in paths]


async def test_another_account_pulls_by_a_repository_policy(ecr: Harness) -> None:
    await ecr.create_repository("web")
    digest = await ecr.push_image("web", "latest")
    manifest = (await ecr.http("GET", "/v2/web/manifests/latest")).json
    blob = manifest["layers"][0]["digest"]
    token = await ecr.token(STRANGER)
    named = {"registryId": ACCOUNT, "repositoryName": "web"}
    assert await _pull(ecr, token, digest, blob) == [403, 403, 403]

    await _set(ecr, policy(*PULL, principal=of_account(OTHER_ACCOUNT)))
    assert await _pull(ecr, token, digest, blob) == [200, 200, 200]
    got = await ecr.api("BatchGetImage", {**named, "imageIds": [{"imageTag": "latest"}]}, principal=STRANGER)
    assert [image["imageId"]["imageDigest"] for image in got["images"]] == [digest]
    assert (await ecr.api("GetDownloadUrlForLayer", {**named, "layerDigest": blob}, principal=STRANGER))["downloadUrl"]
    for operation, request in [
        ("ListImages", named),
        ("DescribeImages", named),
        ("DeleteRepository", {**named, "force": True}),
        ("SetRepositoryPolicy", {**named, "policyText": policy("ecr:*")}),
    ]:
        with pytest.raises(AccessDenied) as denied:
            await ecr.api(operation, request, principal=STRANGER)
        assert "because no resource-based policy allows" in denied.value.message
    upload = await ecr.http("POST", "/v2/web/blobs/uploads/", token=token, host=HOST)
    assert (upload.status, upload.error) == (403, "DENIED")

    await ecr.api("DeleteRepositoryPolicy", {"repositoryName": "web"})
    assert await _pull(ecr, token, digest, blob) == [403, 403, 403]


async def test_the_callers_own_policies_must_allow_another_accounts_repository_too(ecr: Harness) -> None:
    await ecr.create_repository("web")
    digest = await ecr.push_image("web", "latest")
    await _set(ecr, policy(*PULL, principal=of_account(OTHER_ACCOUNT)))
    await ecr.allow("nothing", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}], OTHER_ACCOUNT)
    request = {"registryId": ACCOUNT, "repositoryName": "web", "imageIds": [{"imageDigest": digest}]}
    with pytest.raises(AccessDenied) as denied:
        await ecr.api("BatchGetImage", request, principal=user("nothing", OTHER_ACCOUNT))
    assert "because no identity-based policy allows" in denied.value.message


async def test_another_account_pushes_by_a_repository_policy(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await _set(ecr, policy(*PUSH, principal={"AWS": OTHER_ACCOUNT}))
    token = await ecr.token(STRANGER)
    config, layer = b'{"os":"linux"}', b"a layer"
    for content in (config, layer):
        from tests.service.registry.harness import digest_of

        path = f"/v2/web/blobs/uploads/?digest={digest_of(content)}"
        assert (await ecr.http("POST", path, content, token=token, host=HOST)).status == 201
    manifest = image_manifest(config, [layer])
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    pushed = await ecr.http("PUT", "/v2/web/manifests/v1", manifest, headers, token=token, host=HOST)
    assert pushed.status == 201
    (image,) = (await ecr.api("DescribeImages", {"repositoryName": "web"}))["imageDetails"]
    assert (image["registryId"], image["imageTags"]) == (ACCOUNT, ["v1"])
    again = image_manifest(config, [layer], annotations={"n": "2"}).decode()
    named = {"registryId": ACCOUNT, "repositoryName": "web", "imageTag": "v2", "imageManifest": again}
    assert (await ecr.api("PutImage", named, principal=STRANGER))["image"]["registryId"] == ACCOUNT


async def test_within_an_account_the_policy_alone_may_allow_and_denies_everybody(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await ecr.push_image("web", "latest")
    await ecr.allow("reader", [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}])
    reader = user("reader")
    token = await ecr.token(reader)
    assert (await ecr.http("GET", "/v2/web/manifests/latest", token=token)).status == 403
    await _set(ecr, policy(*PULL, principal={"AWS": str(reader.arn)}))
    assert (await ecr.http("GET", "/v2/web/manifests/latest", token=token)).status == 200
    await _set(ecr, policy(*PULL, effect="Deny"))
    assert (await ecr.http("GET", "/v2/web/manifests/latest", token=token)).status == 403
    assert (await ecr.http("GET", "/v2/web/manifests/latest")).status == 403


async def test_a_registry_policy_opens_repositories_by_name(ecr: Harness) -> None:
    for name in ("prod-web", "web"):
        await ecr.create_repository(name)
    with pytest.raises(errors.RegistryPolicyNotFoundException) as missing:
        await ecr.api("GetRegistryPolicy", {})
    assert missing.value.message == f"Registry policy does not exist in the registry with id '{ACCOUNT}'"
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/prod-*"
    text = policy("ecr:CreateRepository", "ecr:ListImages", principal=of_account(OTHER_ACCOUNT), Resource=arn)
    assert await ecr.api("PutRegistryPolicy", {"policyText": text}) == {"registryId": ACCOUNT, "policyText": text}

    async def may(operation: str, name: str) -> bool:
        try:
            await ecr.api(operation, {"registryId": ACCOUNT, "repositoryName": name}, principal=STRANGER)
        except AccessDenied:
            return False
        return True

    assert await may("ListImages", "prod-web")
    assert not await may("ListImages", "web")
    assert not await may("DescribeImages", "prod-web")
    assert await may("CreateRepository", "prod-new")
    assert not await may("CreateRepository", "new")

    await _set(ecr, policy("ecr:DescribeImages", principal=of_account(OTHER_ACCOUNT)), "prod-web")
    assert await may("ListImages", "prod-web")
    assert await may("DescribeImages", "prod-web")

    await ecr.api("PutAccountSetting", {"name": "REGISTRY_POLICY_SCOPE", "value": "V1"})
    assert not await may("ListImages", "prod-web")
    assert await may("DescribeImages", "prod-web")
    assert await may("CreateRepository", "prod-other")
    await ecr.api("DeleteRegistryPolicy", {})
    assert not await may("CreateRepository", "prod-third")


async def test_a_registry_policy_denies_what_a_repository_policy_allows(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await _set(ecr, policy("ecr:ListImages"))
    await ecr.api("PutRegistryPolicy", {"policyText": policy("ecr:ListImages", effect="Deny", Resource="*")})
    with pytest.raises(AccessDenied) as denied:
        await ecr.api("ListImages", {"repositoryName": "web"})
    assert "with an explicit deny in a resource-based policy" in denied.value.message
    for text in (policy("ecr:ListImages"), policy("s3:*", Resource="*"), "{}"):
        with pytest.raises(errors.InvalidParameterException):
            await ecr.api("PutRegistryPolicy", {"policyText": text})


SETTINGS = {
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE", "CLAIR"),
    "BLOB_MOUNTING": ("ENABLED", "DISABLED"),
    "REGISTRY_POLICY_SCOPE": ("V2", "V1"),
}
"""Every account setting and its values (API reference: PutAccountSetting); the first is what a new registry has here."""


async def test_account_settings(ecr: Harness) -> None:
    assert set(SETTINGS) == set(Setting)
    for name, values in SETTINGS.items():
        setting = {"name": name}
        assert await ecr.api("GetAccountSetting", setting) == {**setting, "value": values[0]}
        for value in reversed(values):
            put = {**setting, "value": value}
            assert await ecr.api("PutAccountSetting", put) == put
            assert await ecr.api("GetAccountSetting", setting) == put
        with pytest.raises(errors.InvalidParameterException):
            await ecr.api("PutAccountSetting", {**setting, "value": "MAYBE"})
    changed = {name: values[-1] for name, values in SETTINGS.items()}
    for name, value in changed.items():
        await ecr.api("PutAccountSetting", {"name": name, "value": value})
    assert {name: (await ecr.api("GetAccountSetting", {"name": name}))["value"] for name in changed} == changed
    for operation, more in (("PutAccountSetting", {"value": "ENABLED"}), ("GetAccountSetting", {})):
        with pytest.raises(errors.InvalidParameterException):
            await ecr.api(operation, {"name": "NONE", **more})


async def test_mounting_is_a_setting(ecr: Harness) -> None:
    setting = {"name": "BLOB_MOUNTING"}
    await ecr.create_repository("web")
    await ecr.create_repository("api")
    digest = await ecr.push_blob("web", b"layer")
    mount = f"/v2/api/blobs/uploads/?mount={digest}&from=web"
    await ecr.api("PutAccountSetting", {**setting, "value": "DISABLED"})
    assert (await ecr.http("POST", mount)).status == 202
    assert (await ecr.api("GetAccountSetting", setting, region="eu-west-1"))["value"] == "ENABLED"
    await ecr.api("PutAccountSetting", {**setting, "value": "ENABLED"})
    assert (await ecr.http("POST", mount)).status == 201


async def test_tags_decide(ecr: Harness) -> None:
    await ecr.create_repository("web", tags=[{"Key": "team", "Value": "a"}])
    await ecr.create_repository("api", tags=[{"Key": "team", "Value": "b"}])
    of_team = {"StringEquals": {"ecr:ResourceTag/team": "a", "aws:ResourceTag/team": "a"}}
    tagged = {"StringEquals": {"aws:RequestTag/team": "a"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    await ecr.allow(
        "dev",
        [
            {"Effect": "Allow", "Action": "ecr:ListImages", "Resource": "*", "Condition": of_team},
            {"Effect": "Allow", "Action": "ecr:CreateRepository", "Resource": "*", "Condition": tagged},
        ],
    )
    dev = user("dev")
    await ecr.api("ListImages", {"repositoryName": "web"}, principal=dev)
    team = {"Key": "team", "Value": "a"}
    await ecr.api("CreateRepository", {"repositoryName": "n1", "tags": [team]}, principal=dev)
    for operation, request in [
        ("ListImages", {"repositoryName": "api"}),
        ("CreateRepository", {"repositoryName": "n2"}),
        ("CreateRepository", {"repositoryName": "n2", "tags": [team, {"Key": "x", "Value": ""}]}),
    ]:
        with pytest.raises(AccessDenied):
            await ecr.api(operation, request, principal=dev)


async def test_a_registry_replicates_nothing(ecr: Harness) -> None:
    described = {"registryId": ACCOUNT, "replicationConfiguration": {"rules": []}}
    assert await ecr.api("DescribeRegistry", {}) == described
