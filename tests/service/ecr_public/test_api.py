"""The ECR Public API through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.service.ecr_public.harness import MANIFEST, alias, api, digest, manifest
from tests.support.server import Account, refusal

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def test_a_repository_and_its_catalog_data(admin: Account) -> None:
    public = api(admin)
    given = {
        "description": "A web server",
        "architectures": ["x86-64", "ARM 64"],
        "operatingSystems": ["Linux"],
        "aboutText": "# Web",
    }
    made = public.create_repository(
        repositoryName="apps/web", catalogData={**given, "logoImageBlob": PNG}, tags=[{"Key": "team", "Value": "a"}]
    )
    repository = made["repository"]
    assert repository["repositoryArn"] == f"arn:aws:ecr-public::{admin.id}:repository/apps/web"
    assert repository["repositoryUri"] == f"public.ecr.localhost:{admin.server.port}/{alias(admin)}/apps/web"
    catalog = made["catalogData"]
    assert {name: catalog[name] for name in given} == given
    assert public.describe_repositories()["repositories"] == [repository]
    assert public.describe_repositories(repositoryNames=["apps/web"])["repositories"] == [repository]
    assert public.get_repository_catalog_data(repositoryName="apps/web")["catalogData"] == catalog
    logo = admin.server.send("GET", catalog["logoUrl"].partition(f":{admin.server.port}")[2], {})
    assert (logo.status, logo.headers["content-type"], logo.body) == (200, "image/png", PNG)
    changed = public.put_repository_catalog_data(repositoryName="apps/web", catalogData={"usageText": "run it"})[
        "catalogData"
    ]
    assert changed["usageText"] == "run it"
    assert "logoUrl" not in changed
    assert "description" not in changed
    assert public.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"] == [
        {"Key": "team", "Value": "a"}
    ]
    public.tag_resource(resourceArn=repository["repositoryArn"], tags=[{"Key": "b", "Value": "1"}])
    public.untag_resource(resourceArn=repository["repositoryArn"], tagKeys=["team"])
    assert public.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"] == [
        {"Key": "b", "Value": "1"}
    ]
    assert public.delete_repository(repositoryName="apps/web")["repository"] == repository
    assert public.describe_repositories()["repositories"] == []
    public.create_repository(repositoryName="apps/web")
    missing = refusal(public.get_repository_catalog_data, repositoryName="apps/web")
    assert missing.code == "RepositoryCatalogDataNotFoundException"


def test_repositories_are_refused_as_on_aws(admin: Account) -> None:
    public = api(admin)
    public.create_repository(repositoryName="web")
    assert refusal(public.create_repository, repositoryName="web").code == "RepositoryAlreadyExistsException"
    gone = refusal(public.describe_repositories, repositoryNames=["nope"])
    assert gone.code == "RepositoryNotFoundException"
    assert gone.message == f"The repository with name 'nope' does not exist in the registry with id '{admin.id}'"
    assert refusal(public.create_repository, repositoryName="a" * 206).code == "InvalidParameterException"
    bad_logo = refusal(
        public.put_repository_catalog_data, repositoryName="web", catalogData={"logoImageBlob": b"<svg/>"}
    )
    assert bad_logo.code == "InvalidParameterException"
    assert refusal(public.describe_image_tags, repositoryName="nope").code == "RepositoryNotFoundException"


def test_a_logo_has_500_kilobytes_at_most(admin: Account) -> None:
    public = api(admin)
    public.create_repository(repositoryName="web")
    largest = PNG.ljust(512_000, b"\0")
    put = public.put_repository_catalog_data
    url = put(repositoryName="web", catalogData={"logoImageBlob": largest})["catalogData"]["logoUrl"]
    for refused in (
        refusal(put, repositoryName="web", catalogData={"logoImageBlob": largest + b"\0"}),
        refusal(public.create_repository, repositoryName="two", catalogData={"logoImageBlob": largest + b"\0"}),
    ):
        assert refused.code == "InvalidParameterException"
        assert "logoImageBlob" in refused.message
        assert "512000" in refused.message
    served = admin.server.send("GET", url.partition(f":{admin.server.port}")[2], {})
    assert (served.status, served.body) == (200, largest)
    assert [each["repositoryName"] for each in public.describe_repositories()["repositories"]] == ["web"]


@pytest.mark.parametrize("region", ["us-west-2", "eu-west-1"])
def test_one_region_offers_it(region: str, admin: Account) -> None:
    elsewhere = admin.server.client("ecr-public", admin.keys, region=region)
    refused = refusal(elsewhere.describe_registries)
    assert refused.code == "UnsupportedCommandException"
    assert region in refused.message


def test_images_by_the_api_alone(admin: Account) -> None:
    public = api(admin)
    public.create_repository(repositoryName="web")
    for content in (b"{}", b"layer"):
        upload = public.initiate_layer_upload(repositoryName="web")
        part = {"partFirstByte": 0, "partLastByte": len(content) - 1, "layerPartBlob": content}
        public.upload_layer_part(repositoryName="web", uploadId=upload["uploadId"], **part)
        public.complete_layer_upload(repositoryName="web", uploadId=upload["uploadId"], layerDigests=[digest(content)])
    available = public.batch_check_layer_availability(
        repositoryName="web", layerDigests=[digest(b"layer"), digest(b"x")]
    )
    assert [layer["layerAvailability"] for layer in available["layers"]] == ["AVAILABLE", "UNAVAILABLE"]
    text = manifest(b"{}", b"layer").decode()
    for tag in ("v1", "v2"):
        public.put_image(registryId=alias(admin), repositoryName="web", imageManifest=text, imageTag=tag)
    (detail,) = public.describe_images(repositoryName="web")["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest(text.encode()), ["v1", "v2"])
    assert set(detail) <= {
        *("registryId", "repositoryName", "imageDigest", "imageTags", "imageSizeInBytes", "imagePushedAt"),
        *("imageManifestMediaType", "artifactMediaType"),
    }
    first = public.describe_image_tags(repositoryName="web", maxResults=1)
    second = public.describe_image_tags(repositoryName="web", maxResults=1, nextToken=first["nextToken"])
    tags = [*first["imageTagDetails"], *second["imageTagDetails"]]
    assert [tag["imageTag"] for tag in tags] == ["v1", "v2"]
    assert tags[0]["imageDetail"]["imageManifestMediaType"] == MANIFEST
    assert refusal(public.delete_repository, repositoryName="web").code == "RepositoryNotEmptyException"
    public.batch_delete_image(repositoryName="web", imageIds=[{"imageTag": "v1"}])
    assert public.describe_images(repositoryName="web", imageIds=[{"imageTag": "v2"}])["imageDetails"][0][
        "imageTags"
    ] == ["v2"]
    assert (
        refusal(public.describe_images, repositoryName="web", imageIds=[{"imageTag": "v1"}]).code
        == "ImageNotFoundException"
    )
    public.delete_repository(repositoryName="web", force=True)


def test_policies_are_of_ecr_public(admin: Account) -> None:
    public = api(admin)
    public.create_repository(repositoryName="web")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr-public:DescribeImages"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    public.set_repository_policy(repositoryName="web", policyText=text)
    assert public.get_repository_policy(repositoryName="web")["policyText"] == text
    other = Account(admin.server, admin.server.new_account())
    assert api(other).describe_images(registryId=admin.id, repositoryName="web")["imageDetails"] == []
    assert (
        refusal(api(other).describe_image_tags, registryId=admin.id, repositoryName="web").code
        == "AccessDeniedException"
    )
    private = text.replace("ecr-public:", "ecr:")
    assert (
        refusal(public.set_repository_policy, repositoryName="web", policyText=private).code
        == "InvalidParameterException"
    )
    public.delete_repository_policy(repositoryName="web")
    assert refusal(public.get_repository_policy, repositoryName="web").code == "RepositoryPolicyNotFoundException"


def test_private_and_public_are_apart(admin: Account) -> None:
    api(admin).create_repository(repositoryName="shown")
    admin.ecr.create_repository(repositoryName="hidden")
    assert [r["repositoryName"] for r in admin.ecr.describe_repositories()["repositories"]] == ["hidden"]
    assert [r["repositoryName"] for r in api(admin).describe_repositories()["repositories"]] == ["shown"]
    arn = f"arn:aws:ecr-public::{admin.id}:repository/shown"
    assert refusal(admin.ecr.list_tags_for_resource, resourceArn=arn).code == "InvalidParameterException"
    crossed = f"arn:aws:ecr:public:{admin.id}:repository/shown"
    assert refusal(admin.ecr.list_tags_for_resource, resourceArn=crossed).code in (
        "InvalidParameterException",
        "AccessDeniedException",
    )


def test_the_token_needs_the_service_bearer_token(admin: Account) -> None:
    only = {"Effect": "Allow", "Action": "ecr-public:GetAuthorizationToken", "Resource": "*"}
    half = Account(admin.server, admin.user("half", only))
    refused = refusal(api(half).get_authorization_token)
    assert refused.code == "AccessDeniedException"
    assert "sts:GetServiceBearerToken" in refused.message


def test_registries_and_their_aliases(admin: Account) -> None:
    public = api(admin)
    assert public.get_registry_catalog_data()["registryCatalogData"] == {"displayName": ""}
    public.put_registry_catalog_data(displayName="Team A")
    assert public.put_registry_catalog_data(displayName="Team B")["registryCatalogData"] == {"displayName": "Team B"}
    (before,) = public.describe_registries()["registries"]
    assert before["registryArn"] == f"arn:aws:ecr-public::{admin.id}:registry/{admin.id}"
    public.create_repository(repositoryName="web")
    (registry,) = public.describe_registries()["registries"]
    assert registry == before
    (default,) = registry["aliases"]
    assert default == {
        "name": default["name"],
        "status": "ACTIVE",
        "primaryRegistryAlias": True,
        "defaultRegistryAlias": True,
    }
    assert len(default["name"]) == 8
    name = f"team-{admin.id}"
    put = roadstead(admin, "PutRegistryAlias", name=name, primary=True)
    assert put["alias"]["primaryRegistryAlias"]
    (renamed,) = public.describe_registries()["registries"]
    assert renamed["registryUri"].endswith(f"/{name}")
    assert public.describe_repositories()["repositories"][0]["repositoryUri"].endswith(f"/{name}/web")
    other = Account(admin.server, admin.server.new_account())
    assert "InvalidParameterException" in roadstead(other, "PutRegistryAlias", name=name)["__type"]
    assert "RegistryNotFoundException" in roadstead(other, "DeleteRegistryAlias", name=name)["__type"]
    assert "InvalidParameterException" in roadstead(admin, "PutRegistryAlias", name="aws")["__type"]
    assert "InvalidParameterException" in roadstead(admin, "DeleteRegistryAlias", name=default["name"])["__type"]
    roadstead(admin, "DeleteRegistryAlias", name=name)
    assert public.describe_registries()["registries"] == [registry]
    unknown = refusal(
        public.batch_check_layer_availability, registryId="nobody", repositoryName="web", layerDigests=["x"]
    )
    assert unknown.code == "RegistryNotFoundException"


def roadstead(account: Account, operation: str, **parameters: object) -> Any:
    """Call an operation of the internal service, whose model boto3 does not know."""
    body = json.dumps(parameters).encode()
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"Roadstead_20261101.{operation}"}
    return account.server.send("POST", "/", account.server.signed(account.keys, "roadstead", headers, body), body).json


def test_the_gallery_shows_what_every_registry_has(admin: Account) -> None:
    word = f"zebra{admin.id}"
    other = Account(admin.server, admin.server.new_account())
    api(admin).put_registry_catalog_data(displayName="Team A")
    catalog = {
        "description": f"A {word.upper()} server",
        "architectures": ["ARM 64"],
        "operatingSystems": ["Linux"],
        "usageText": "run it",
    }
    api(admin).create_repository(repositoryName="web", catalogData={**catalog, "logoImageBlob": PNG})
    api(other).create_repository(repositoryName=f"{word}/plain")
    found = roadstead(other, "ListGalleryRepositories", searchTerm=word)["repositories"]
    assert isinstance(found, list)
    by_name = {repository["repositoryName"]: repository for repository in found}
    assert set(by_name) == {"web", f"{word}/plain"}
    assert by_name["web"]["registryDisplayName"] == "Team A"
    assert by_name["web"]["architectures"] == ["ARM 64"]
    assert by_name["web"]["logoUrl"]
    assert len(roadstead(other, "ListGalleryRepositories", searchTerm=word, architecture="ARM 64")["repositories"]) == 1
    assert roadstead(other, "ListGalleryRepositories", searchTerm=word, architecture="ARM") == {"repositories": []}
    assert roadstead(other, "ListGalleryRepositories", searchTerm="%") == {"repositories": []}
    first = roadstead(other, "ListGalleryRepositories", searchTerm=word, maxResults=1)
    second = roadstead(other, "ListGalleryRepositories", searchTerm=word, maxResults=1, nextToken=first["nextToken"])
    assert "nextToken" not in second
    page = roadstead(other, "GetGalleryRepository", registryAlias=alias(admin), repositoryName="web")["repository"]
    assert isinstance(page, dict)
    assert page["usageText"] == "run it"
    assert page["tagCount"] == 0
    missing = roadstead(other, "GetGalleryRepository", registryAlias=alias(admin), repositoryName="nope")
    assert "RepositoryNotFoundException" in str(missing["__type"])
