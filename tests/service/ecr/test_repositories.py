from __future__ import annotations

from typing import Any

import pytest
from tests.service.registry.harness import ACCOUNT, OTHER_ACCOUNT, Harness, image_manifest, user

from roadstead.access.errors import AccessDenied
from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.services.ecr import errors
from roadstead.store import outbox


async def _events(ecr: Harness, topic: str) -> list[dict[str, Any]]:
    async with ecr.store.snapshot() as tx:
        table = outbox.outbox
        rows = await tx.execute(table.select().where(table.c.topic == topic).order_by(table.c.id))
        return [dict(row.payload) for row in rows]


async def test_create_describe_delete(ecr: Harness) -> None:
    created = (await ecr.api("CreateRepository", {"repositoryName": "team/web"}))["repository"]
    assert created == {
        "repositoryArn": f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/web",
        "registryId": ACCOUNT,
        "repositoryName": "team/web",
        "repositoryUri": f"{ACCOUNT}.dkr.ecr.us-east-1.localhost:{ecr.port}/team/web",
        "createdAt": created["createdAt"],
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    found = await ecr.api("DescribeRepositories", {"repositoryNames": ["team/web"]})
    assert found == {"repositories": [created]}
    assert (await ecr.api("DeleteRepository", {"repositoryName": "team/web"}))["repository"] == created
    assert await ecr.api("DescribeRepositories", {}) == {"repositories": []}
    assert [event["change"] for event in await _events(ecr, "ecr.repository")] == ["created", "deleted"]


async def test_settings_are_kept(ecr: Harness) -> None:
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    encryption = {"encryptionType": "AES256"}
    await ecr.create_repository(
        "web",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration=encryption,
        tags=[{"Key": "team", "Value": "a"}],
    )
    (found,) = (await ecr.api("DescribeRepositories", {}))["repositories"]
    assert found["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert found["imageTagMutabilityExclusionFilters"] == filters
    assert found["imageScanningConfiguration"] == {"scanOnPush": True}
    assert found["encryptionConfiguration"] == encryption
    for wrong in (
        {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"},
        {"imageTagMutabilityExclusionFilters": filters},
        {
            "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "*a*b*"}],
        },
        {"encryptionConfiguration": {"encryptionType": "AES256", "kmsKey": "alias/mine"}},
    ):
        with pytest.raises(errors.InvalidParameterException):
            await ecr.create_repository("other", **wrong)
    for kind in ("KMS", "KMS_DSSE"):
        with pytest.raises(NotImplementedByRoadstead) as refused:
            await ecr.create_repository("other", encryptionConfiguration={"encryptionType": kind})
        assert kind in refused.value.message


async def test_tag_mutability_can_be_changed(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await ecr.push_image("web", "v1", b"1")
    await ecr.push_image("web", "dev-1", b"1")
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    setting = {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": filters}
    changed = await ecr.api("PutImageTagMutability", {"repositoryName": "web", **setting})
    assert changed == {"registryId": ACCOUNT, "repositoryName": "web", **setting}
    await ecr.push_image("web", "dev-1", b"2")
    config, layer = b'{"os":"linux","seed":"2"}', b"layer of 2"
    refused = await ecr.push_manifest("web", "v1", image_manifest(config, [layer]))
    assert (refused.status, refused.error) == (400, "TAG_INVALID")
    await ecr.api("PutImageTagMutability", {"repositoryName": "web", "imageTagMutability": "MUTABLE"})
    assert (await ecr.push_manifest("web", "v1", image_manifest(config, [layer]))).status == 201
    with pytest.raises(errors.RepositoryNotFoundException):
        await ecr.api("PutImageTagMutability", {"repositoryName": "none", "imageTagMutability": "MUTABLE"})


async def test_errors_in_the_services_words(ecr: Harness) -> None:
    await ecr.create_repository("web")
    with pytest.raises(errors.RepositoryAlreadyExistsException) as exists:
        await ecr.create_repository("web")
    assert exists.value.message == (
        f"The repository with name 'web' already exists in the registry with id '{ACCOUNT}'"
    )
    with pytest.raises(errors.RepositoryNotFoundException) as missing:
        await ecr.api("DescribeRepositories", {"repositoryNames": ["web", "none"]})
    assert missing.value.message == (
        f"The repository with name 'none' does not exist in the registry with id '{ACCOUNT}'"
    )
    await ecr.push_image("web", "latest")
    with pytest.raises(errors.RepositoryNotEmptyException) as full:
        await ecr.api("DeleteRepository", {"repositoryName": "web"})
    assert full.value.message == (
        f"The repository with name 'web' in registry with id '{ACCOUNT}' "
        "cannot be deleted because it still contains images"
    )
    for name in ("../etc", "UPPER", "a" * 257, "w\u00e9b", "a//b"):
        with pytest.raises(errors.InvalidParameterException):
            await ecr.create_repository(name)


async def test_force_takes_everything_along(ecr: Harness) -> None:
    await ecr.create_repository("web")
    digest = await ecr.push_image("web", "latest")
    await ecr.api("DeleteRepository", {"repositoryName": "web", "force": True})
    await ecr.create_repository("web")
    assert (await ecr.http("GET", f"/v2/web/manifests/{digest}")).status == 404
    assert (await ecr.api("ListImages", {"repositoryName": "web"}))["imageIds"] == []


async def test_pages(ecr: Harness) -> None:
    names = [f"r{number:02}" for number in range(7)]
    for name in reversed(names):
        await ecr.create_repository(name)
    seen: list[str] = []
    request: dict[str, Any] = {"maxResults": 3}
    while True:
        page = await ecr.api("DescribeRepositories", request)
        seen += [repository["repositoryName"] for repository in page["repositories"]]
        if "nextToken" not in page:
            break
        request["nextToken"] = page["nextToken"]
    assert seen == names
    first = await ecr.api("DescribeRepositories", {"maxResults": 3})
    for token in ("made-up", first["nextToken"][:-2]):
        with pytest.raises(errors.InvalidParameterException):
            await ecr.api("DescribeRepositories", {"nextToken": token})
    with pytest.raises(errors.InvalidParameterException):
        await ecr.api("DescribeRepositories", {"repositoryNames": ["r01"], "maxResults": 3})


async def test_accounts_and_regions_are_apart(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await ecr.api("CreateRepository", {"repositoryName": "web"}, principal=user(account=OTHER_ACCOUNT))
    await ecr.api("CreateRepository", {"repositoryName": "web"}, region="eu-west-1")
    assert len((await ecr.api("DescribeRepositories", {}))["repositories"]) == 1
    for operation, request in [
        ("DescribeRepositories", {"registryId": OTHER_ACCOUNT}),
        ("DescribeImages", {"registryId": OTHER_ACCOUNT, "repositoryName": "web"}),
        ("DeleteRepository", {"registryId": OTHER_ACCOUNT, "repositoryName": "web"}),
    ]:
        with pytest.raises(AccessDenied) as denied:
            await ecr.api(operation, request)
        assert f"is not authorized to perform: ecr:{operation} on resource: arn:aws:ecr" in denied.value.message


async def test_iam_decides_by_repository(ecr: Harness) -> None:
    await ecr.create_repository("mine")
    await ecr.create_repository("yours")
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/mine"
    await ecr.allow("reader", [{"Effect": "Allow", "Action": "ecr:Describe*", "Resource": arn}])
    reader = user("reader")
    await ecr.api("DescribeRepositories", {"repositoryNames": ["mine"]}, principal=reader)
    await ecr.api("DescribeImages", {"repositoryName": "mine"}, principal=reader)
    for operation, request in [
        ("DescribeRepositories", {"repositoryNames": ["mine", "yours"]}),
        ("DescribeRepositories", {}),
        ("DescribeImages", {"repositoryName": "yours"}),
        ("ListImages", {"repositoryName": "mine"}),
        ("GetAuthorizationToken", {}),
    ]:
        with pytest.raises(AccessDenied):
            await ecr.api(operation, request, principal=reader)


async def test_resource_tags(ecr: Harness) -> None:
    await ecr.create_repository("web", tags=[{"Key": "a", "Value": "1"}])
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/web"
    await ecr.api("TagResource", {"resourceArn": arn, "tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}]})
    await ecr.api("UntagResource", {"resourceArn": arn, "tagKeys": ["b", "none"]})
    assert (await ecr.api("ListTagsForResource", {"resourceArn": arn}))["tags"] == [{"Key": "a", "Value": "3"}]
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    with pytest.raises(errors.TooManyTagsException):
        await ecr.api("TagResource", {"resourceArn": arn, "tags": many})
    with pytest.raises(errors.InvalidTagParameterException):
        await ecr.api("TagResource", {"resourceArn": arn, "tags": [{"Key": "aws:x", "Value": ""}]})
    for wrong in (
        "web",
        arn.replace(":ecr:", ":ecs:"),
        arn.replace("repository/", "image/"),
        arn.replace("us-", "eu-"),
    ):
        with pytest.raises(errors.InvalidParameterException):
            await ecr.api("ListTagsForResource", {"resourceArn": wrong})
    with pytest.raises(errors.RepositoryNotFoundException):
        await ecr.api("ListTagsForResource", {"resourceArn": arn + "x"})


async def test_authorization_token(ecr: Harness) -> None:
    import base64
    from datetime import timedelta

    (data,) = (await ecr.api("GetAuthorizationToken", {}))["authorizationData"]
    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
    assert data["proxyEndpoint"] == f"http://{ACCOUNT}.dkr.ecr.us-east-1.localhost:{ecr.port}"
    left = data["expiresAt"] - ecr.clock.now()
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    assert (await ecr.http("GET", "/v2/", token=data["authorizationToken"])).status == 200
