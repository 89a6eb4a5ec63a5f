"""Repository creation templates, and repositories that come to be by them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.service.ecr.lifecycle import policy, rule
from tests.service.registry.harness import ACCOUNT, Harness, digest_of, image_manifest, user

from roadstead.access.errors import AccessDenied
from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.services.ecr import errors
from roadstead.services.ecr.tables import repositories

REPOSITORY_POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}]}'
)


async def create(ecr: Harness, prefix: str = "team", **more: object) -> Any:
    request = {"prefix": prefix, "appliedFor": ["CREATE_ON_PUSH"], **more}
    return (await ecr.api("CreateRepositoryCreationTemplate", request))["repositoryCreationTemplate"]


async def test_create_describe_update_delete(ecr: Harness) -> None:
    created = await create(ecr, "team/", description="ours", resourceTags=[{"Key": "a", "Value": "1"}])
    assert created == {
        "prefix": "team",
        "description": "ours",
        "encryptionConfiguration": {"encryptionType": "AES256"},
        "resourceTags": [{"Key": "a", "Value": "1"}],
        "imageTagMutability": "MUTABLE",
        "appliedFor": ["CREATE_ON_PUSH"],
        "createdAt": created["createdAt"],
        "updatedAt": created["createdAt"],
    }
    with pytest.raises(errors.TemplateAlreadyExistsException):
        await create(ecr)
    await create(ecr, "ROOT")
    described = await ecr.api("DescribeRepositoryCreationTemplates", {})
    assert described["registryId"] == ACCOUNT
    assert [template["prefix"] for template in described["repositoryCreationTemplates"]] == ["ROOT", "team"]
    named = await ecr.api("DescribeRepositoryCreationTemplates", {"prefixes": ["team"]})
    assert named["repositoryCreationTemplates"] == [created]

    ecr.clock.offset += timedelta(minutes=1)
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    change = {
        "prefix": "team",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters,
    }
    changed = (await ecr.api("UpdateRepositoryCreationTemplate", change))["repositoryCreationTemplate"]
    assert changed["updatedAt"] > created["updatedAt"] == changed["createdAt"]
    assert (changed["imageTagMutabilityExclusionFilters"], changed["description"]) == (filters, "ours")
    back = {"prefix": "team", "imageTagMutability": "MUTABLE"}
    assert (
        "imageTagMutabilityExclusionFilters"
        not in (await ecr.api("UpdateRepositoryCreationTemplate", back))["repositoryCreationTemplate"]
    )
    await ecr.api("DeleteRepositoryCreationTemplate", {"prefix": "team"})
    for operation in ("DeleteRepositoryCreationTemplate", "UpdateRepositoryCreationTemplate"):
        with pytest.raises(errors.TemplateNotFoundException):
            await ecr.api(operation, {"prefix": "team"})


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"appliedFor": []}, errors.InvalidParameterException),
        ({"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}, errors.InvalidParameterException),
        ({"repositoryPolicy": "{}"}, errors.InvalidParameterException),
        ({"lifecyclePolicy": '{"rules":[]}'}, errors.InvalidParameterException),
        ({"encryptionConfiguration": {"encryptionType": "KMS"}}, NotImplementedByRoadstead),
        ({"resourceTags": [{"Key": "aws:x", "Value": ""}]}, errors.InvalidTagParameterException),
    ],
)
async def test_what_is_no_template(ecr: Harness, wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        await create(ecr, **wrong)


async def test_a_push_creates_the_repository(ecr: Harness) -> None:
    config, layer = b'{"os":"linux"}', b"layer"
    assert (await ecr.http("POST", "/v2/team/web/blobs/uploads/")).status == 404
    lifecycle = policy(rule(countNumber=7))
    await create(
        ecr,
        resourceTags=[{"Key": "team", "Value": "a"}],
        imageTagMutability="IMMUTABLE",
        repositoryPolicy=REPOSITORY_POLICY,
        lifecyclePolicy=lifecycle,
    )
    for content in (config, layer):
        await ecr.push_blob("team/web", content)
    assert (await ecr.push_manifest("team/web", "v1", image_manifest(config, [layer]))).status == 201
    named = {"repositoryName": "team/web"}
    (repository,) = (await ecr.api("DescribeRepositories", {"repositoryNames": ["team/web"]}))["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    tags = await ecr.api("ListTagsForResource", {"resourceArn": repository["repositoryArn"]})
    assert tags["tags"] == [{"Key": "team", "Value": "a"}]
    assert (await ecr.api("GetRepositoryPolicy", named))["policyText"] == REPOSITORY_POLICY
    assert (await ecr.api("GetLifecyclePolicy", named))["lifecyclePolicyText"] == lifecycle
    assert (await ecr.http("POST", "/v2/teams/web/blobs/uploads/")).status == 404


async def test_every_way_to_begin_a_push_creates_it(ecr: Harness) -> None:
    await create(ecr, "ROOT")
    content = b"layer"
    digest = digest_of(content)
    assert (await ecr.http("POST", "/v2/one/blobs/uploads/")).status == 202
    assert (await ecr.http("POST", f"/v2/two/blobs/uploads/?digest={digest}", content)).status == 201
    assert (await ecr.http("POST", f"/v2/three/blobs/uploads/?mount={digest}&from=two")).status == 201
    assert (await ecr.api("InitiateLayerUpload", {"repositoryName": "four"}))["uploadId"]
    names = [found["repositoryName"] for found in (await ecr.api("DescribeRepositories", {}))["repositories"]]
    assert names == ["four", "one", "three", "two"]


async def test_who_pushes_needs_leave_to_create(ecr: Harness) -> None:
    await create(ecr)
    push = ["ecr:GetAuthorizationToken", "ecr:InitiateLayerUpload"]
    await ecr.allow("pusher", [{"Effect": "Allow", "Action": push, "Resource": "*"}])
    token = await ecr.token(user("pusher"))
    refused = await ecr.http("POST", "/v2/team/web/blobs/uploads/", token=token)
    assert (refused.status, "ecr:CreateRepository" in refused.json["errors"][0]["message"]) == (403, True)
    with pytest.raises(AccessDenied):
        await ecr.api("InitiateLayerUpload", {"repositoryName": "team/web"}, principal=user("pusher"))
    assert (await ecr.api("DescribeRepositories", {}))["repositories"] == []


async def test_a_template_for_something_else_creates_nothing(ecr: Harness) -> None:
    await create(ecr, appliedFor=["PULL_THROUGH_CACHE"])
    assert (await ecr.http("POST", "/v2/team/web/blobs/uploads/")).status == 404
    await create(ecr, "ROOT")
    assert (await ecr.http("POST", "/v2/team/web/blobs/uploads/")).status == 202


async def test_an_empty_policy_is_none(ecr: Harness) -> None:
    """So a template's policies are taken away."""
    empty = {"repositoryPolicy": "", "lifecyclePolicy": ""}
    await create(ecr, "team", repositoryPolicy=REPOSITORY_POLICY, lifecyclePolicy=policy(rule()))
    changed = await ecr.api("UpdateRepositoryCreationTemplate", {"prefix": "team", **empty})
    assert not empty.keys() & changed["repositoryCreationTemplate"].keys()
    assert not empty.keys() & (await create(ecr, "others", **empty)).keys()
    for name in ("team/web", "others/web"):
        await ecr.push_image(name, "v1")
        assert (await ecr.http("GET", f"/v2/{name}/manifests/v1")).status == 200
        with pytest.raises(errors.RepositoryPolicyNotFoundException):
            await ecr.api("GetRepositoryPolicy", {"repositoryName": name})
        with pytest.raises(errors.LifecyclePolicyNotFoundException):
            await ecr.api("GetLifecyclePolicy", {"repositoryName": name})
    async with ecr.store.transaction() as tx:
        await tx.execute(update(repositories).values(policy=""))  # as such a template once made them
    assert (await ecr.http("GET", "/v2/team/web/manifests/v1")).status == 200
