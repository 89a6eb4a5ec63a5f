from __future__ import annotations

import json
from typing import Any

import pytest
from tests.service.registry.harness import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    Harness,
    descriptor,
    digest_of,
    image_manifest,
    index_manifest,
)

SBOM = "application/spdx+json"
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"


@pytest.fixture
async def web(registry: Harness) -> Harness:
    await registry.create_repository("web")
    return registry


async def test_tags_in_order_and_in_pages(web: Harness) -> None:
    assert (await web.http("GET", "/v2/web/tags/list")).json == {"name": "web", "tags": []}
    digest = await web.push_image("web", "v10")
    manifest = (await web.http("GET", f"/v2/web/manifests/{digest}")).body
    for tag in ("v2", "v1", "V3", "_x"):
        await web.push_manifest("web", tag, manifest)
    everything = sorted(["v10", "v2", "v1", "V3", "_x"])
    assert (await web.http("GET", "/v2/web/tags/list")).json["tags"] == everything

    pages: list[list[str]] = []
    path = "/v2/web/tags/list?n=2"
    while True:
        answer = await web.http("GET", path)
        pages.append(answer.json["tags"])
        if "link" not in answer.headers:
            break
        path = answer.headers["link"].split(">")[0].removeprefix("<")
        assert answer.headers["link"].endswith('rel="next"')
    assert pages == [everything[:2], everything[2:4], everything[4:]]
    assert (await web.http("GET", "/v2/web/tags/list?n=0")).json["tags"] == []
    assert (await web.http("GET", "/v2/web/tags/list?last=v1")).json["tags"] == ["v10", "v2"]
    assert (await web.http("GET", "/v2/web/tags/list?n=-1")).status == 400
    assert (await web.http("GET", "/v2/web/tags/list?n=many")).status == 400


async def test_repositories_in_order_and_in_pages(web: Harness) -> None:
    assert (await web.http("GET", "/v2/_catalog")).json == {"repositories": ["web"]}
    for name in ("b/two", "a/one", "z9"):
        await web.create_repository(name)
    pages: list[list[str]] = []
    path = "/v2/_catalog?n=3"
    while path:
        answer = await web.http("GET", path)
        pages.append(answer.json["repositories"])
        path = answer.headers.get("link", "").split(">")[0].removeprefix("<")
    assert pages == [["a/one", "b/two", "web"], ["z9"]]
    assert (await web.http("GET", "/v2/_catalog?last=b")).json["repositories"] == ["b/two", "web", "z9"]
    assert (await web.http("GET", "/v2/_catalog?n=0")).json["repositories"] == []
    assert (await web.http("GET", "/v2/_catalog?n=many")).error == "PAGINATION_NUMBER_INVALID"
    assert (await web.http("PUT", "/v2/_catalog")).status == 405


async def test_each_registry_lists_its_own_repositories(web: Harness) -> None:
    elsewhere = f"{ACCOUNT}.dkr.ecr.eu-west-1.localhost:{web.port}"
    token = await web.token(region="eu-west-1")
    assert (await web.http("GET", "/v2/_catalog", host=elsewhere, token=token)).json == {"repositories": []}
    foreign = f"{OTHER_ACCOUNT}.dkr.ecr.us-east-1.localhost:{web.port}"
    answer = await web.http("GET", "/v2/_catalog", host=foreign)
    assert (answer.status, answer.error) == (403, "DENIED")
    assert "ecr:DescribeRepositories" in answer.body.decode()
    public = await web.http("GET", "/v2/_catalog", host=f"public.ecr.localhost:{web.port}", token=None)
    assert public.status == 401


async def test_referrers(web: Harness) -> None:
    subject = await web.push_image("web", "latest")
    unknown = digest_of(b"never pushed")
    assert (await web.http("GET", f"/v2/web/referrers/{unknown}")).json["manifests"] == []
    await web.push_blob("web", b"{}")

    async def attach(to: str, artifact_type: str, note: str) -> str:
        about = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": to, "size": 1}
        extra: dict[str, Any] = {"subject": about, "artifactType": artifact_type, "annotations": {"note": note}}
        manifest = image_manifest(b"{}", [], **extra)
        answer = await web.push_manifest("web", digest_of(manifest), manifest)
        assert (answer.status, answer.headers["oci-subject"]) == (201, to)
        return digest_of(manifest)

    sbom, signature = await attach(subject, SBOM, "a"), await attach(subject, SIGNATURE, "b")
    early = await attach(unknown, SBOM, "c")
    answer = await web.http("GET", f"/v2/web/referrers/{subject}")
    assert answer.headers["content-type"] == "application/vnd.oci.image.index.v1+json"
    assert "oci-filters-applied" not in answer.headers
    found = {d["digest"]: d for d in answer.json["manifests"]}
    assert set(found) == {sbom, signature}
    assert found[sbom]["artifactType"] == SBOM
    assert found[sbom]["annotations"] == {"note": "a"}
    assert found[sbom]["size"] == int((await web.http("HEAD", f"/v2/web/manifests/{sbom}")).headers["content-length"])

    filtered = await web.http("GET", f"/v2/web/referrers/{subject}?artifactType={SIGNATURE.replace('+', '%2B')}")
    assert [d["digest"] for d in filtered.json["manifests"]] == [signature]
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert [d["digest"] for d in (await web.http("GET", f"/v2/web/referrers/{unknown}")).json["manifests"]] == [early]
    assert (await web.http("GET", "/v2/web/referrers/latest")).status == 400
    await web.http("DELETE", f"/v2/web/manifests/{sbom}")
    left = (await web.http("GET", f"/v2/web/referrers/{subject}")).json["manifests"]
    assert [d["digest"] for d in left] == [signature]


async def test_referrers_in_pages(web: Harness) -> None:
    await web.push_blob("web", b"{}")
    subject = descriptor("application/vnd.oci.image.manifest.v1+json", b"subject")
    pushed: set[str] = set()
    for number in range(103):
        manifest = image_manifest(b"{}", [], subject=subject, annotations={"n": str(number)})
        assert (await web.push_manifest("web", digest_of(manifest), manifest)).status == 201
        pushed.add(digest_of(manifest))
    first = await web.http("GET", f"/v2/web/referrers/{subject['digest']}")
    path = first.headers["link"].split(">")[0].removeprefix("<")
    second = await web.http("GET", path)
    assert len(first.json["manifests"]) == 100
    assert {d["digest"] for d in first.json["manifests"] + second.json["manifests"]} == pushed
    assert "link" not in second.headers


async def test_deletion_is_seen_at_once(web: Harness) -> None:
    digest = await web.push_image("web", "latest")
    layer = digest_of(b"layer of layer")
    for path in ("/v2/web/manifests/latest", f"/v2/web/blobs/{layer}"):  # fills whatever caches there are
        assert (await web.http("GET", path)).status == 200
    assert (await web.http("DELETE", f"/v2/web/blobs/{layer}")).status == 409
    assert (await web.http("DELETE", "/v2/web/manifests/latest")).status == 202
    assert (await web.http("GET", "/v2/web/manifests/latest")).status == 404
    assert (await web.http("GET", f"/v2/web/manifests/{digest}")).status == 200
    assert (await web.http("DELETE", f"/v2/web/manifests/{digest}")).status == 202
    assert (await web.http("GET", f"/v2/web/manifests/{digest}")).status == 404
    assert (await web.http("DELETE", f"/v2/web/manifests/{digest}")).status == 404
    assert (await web.http("DELETE", f"/v2/web/blobs/{layer}")).status == 202
    assert (await web.http("GET", f"/v2/web/blobs/{layer}")).status == 404


async def test_an_image_of_a_list_outlives_its_deletion(web: Harness) -> None:
    child = await web.push_image("web", "child")
    index = index_manifest([(await web.http("GET", f"/v2/web/manifests/{child}")).body])
    await web.push_manifest("web", "list", index)
    refused = await web.http("DELETE", f"/v2/web/manifests/{child}")
    assert refused.status == 409
    assert digest_of(index) in refused.body.decode()
    assert (await web.http("DELETE", f"/v2/web/manifests/{digest_of(index)}")).status == 202
    assert (await web.http("DELETE", f"/v2/web/manifests/{child}")).status == 202


async def test_immutable_tags(registry: Harness) -> None:
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    await registry.create_repository(
        "web", imageTagMutability="IMMUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters=filters
    )
    await registry.push_image("web", "v1", b"one")
    await registry.push_image("web", "dev-1", b"one")
    await registry.push_image("web", "v1", b"one")  # the same image again is no change
    await registry.push_image("web", "dev-1", b"two")
    manifest = image_manifest(b'{"os":"linux","seed":"two"}', [b"layer of two"])
    refused = await registry.push_manifest("web", "v1", manifest)
    assert (refused.status, refused.error) == (400, "TAG_INVALID")
    assert "cannot be overwritten because the tag is immutable." in refused.body.decode()


async def test_tags_as_parameters(web: Harness) -> None:
    await web.push_image("web", "first")
    manifest = (await web.http("GET", "/v2/web/manifests/first")).body
    path = f"/v2/web/manifests/{digest_of(manifest)}?tag=a&tag=b"
    answer = await web.http("PUT", path, manifest, {"Content-Type": json.loads(manifest)["mediaType"]})
    assert answer.status == 201
    assert (await web.http("GET", "/v2/web/tags/list")).json["tags"] == ["a", "b", "first"]
    assert (await web.http("PUT", f"{path}&tag=..", manifest)).status == 400
    many = "&".join(f"tag=t{n}" for n in range(11))
    assert (await web.http("PUT", f"/v2/web/manifests/{digest_of(manifest)}?{many}", manifest)).status == 414


async def test_registries_of_other_accounts_and_regions_by_host(web: Harness) -> None:
    await web.push_image("web", "latest")
    for host in (
        "000000000000.dkr.ecr.us-east-1.amazonaws.com",
        "000000000000.dkr.ecr.us-east-1.localhost:4566",
        "::1",
    ):
        assert (await web.http("GET", "/v2/web/manifests/latest", host=host)).status == 200, host
    for host in ("111111111111.dkr.ecr.us-east-1.amazonaws.com", "000000000000.dkr.ecr.eu-west-1.amazonaws.com"):
        assert (await web.http("GET", "/v2/web/manifests/latest", host=host)).status == 403, host
    by_namespace = "/v2/web/manifests/latest?ns="
    host = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
    assert (await web.http("GET", by_namespace + host, host="x:1")).status == 200
    assert (await web.http("GET", by_namespace + "localhost:4566", host="x:1")).status == 200
    foreign = await web.http("GET", by_namespace + "docker.io", host=host)
    assert (foreign.status, foreign.error) == (404, "NAME_UNKNOWN")
    there = "000000000000.dkr.ecr.eu-west-1.amazonaws.com"
    await web.api("CreateRepository", {"repositoryName": "there"}, region="eu-west-1")
    token = await web.token(region="eu-west-1")
    assert (await web.http("GET", "/v2/there/tags/list", host=there, token=token)).status == 200
    assert (await web.http("GET", "/v2/web/tags/list", host=there, token=token)).error == "NAME_UNKNOWN"


async def test_every_name_of_aws_leads_to_its_own_registry(web: Harness) -> None:
    await web.push_image("web", "v1")
    path = "/v2/web/manifests/v1"
    forms = ("dkr.ecr.{}.amazonaws.com", "dkr.ecr-fips.{}.amazonaws.com", "dkr-ecr.{}.on.aws", "dkr-ecr-fips.{}.on.aws")
    for name in (form.format(REGION) for form in forms):
        assert (await web.http("GET", path, host=f"{ACCOUNT}.{name}")).status == 200
        assert (await web.http("GET", path, host=f"{OTHER_ACCOUNT}.{name}")).status != 200
    unknown = await web.http("GET", path, host=f"{OTHER_ACCOUNT}.dkr.ecr-new.{REGION}.amazonaws.com")
    assert (unknown.status, unknown.error) == (404, "NAME_UNKNOWN")
