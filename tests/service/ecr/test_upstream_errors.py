"""What boto3 users are told when a pull through cache can't get what they want, and that it heals what it has lost."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from examples.oci_image import ImageSpec, pack
from tests.service.accounts.managing import Managing, managing
from tests.support.fake_registry import FakeRegistry, serve
from tests.support.server import Answer, refusal, server_thread

from roadstead.kernel.settings import DEFAULT_ACCOUNT, Credential, PullThrough, Upstream

SECRET = f"arn:aws:secretsmanager:us-east-1:{DEFAULT_ACCOUNT}:secret:ecr-pullthroughcache/hub"
CACHED = {"repositoryName": "cache/web"}
IMAGE = {**CACHED, "imageIds": [{"imageTag": "v1"}]}


@dataclass
class Cache:
    """A deployment with a rule for the one upstream, whose credentials are in the settings as long as `secrets` has them."""

    data: Path
    upstream: FakeRegistry
    secrets: dict[str, Credential] = field(
        default_factory=lambda: {"ecr-pullthroughcache/hub": Credential("AWS", "right")}
    )

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.upstream.port}"

    @contextmanager
    def served(self) -> Generator[tuple[Managing, Any]]:
        """The deployment's administrator, and a client of ECR."""
        settings = PullThrough({self.host: Upstream(self.upstream.url)}, self.secrets)
        with server_thread(self.data, pull_through=settings) as server:
            admin = managing(server)
            yield admin, server.client("ecr", admin.keys)

    def rule(self, ecr: Any) -> None:
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="cache", upstreamRegistryUrl=self.host, credentialArn=SECRET
        )


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    pack(tmp_path / "layout", ImageSpec(name="v1"))
    with serve(tmp_path / "layout") as upstream:
        yield Cache(tmp_path / "data", upstream)


def pull(admin: Managing, ecr: Any, path: str) -> Answer:
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return admin.server.send("GET", path, {"Authorization": f"Basic {token}"})


def test_secrets_of_others_and_those_that_are_not_there(cache: Cache) -> None:
    with cache.served() as (_, ecr):
        rule = {"ecrRepositoryPrefix": "cache"}
        for changed, code in [
            (SECRET.replace(DEFAULT_ACCOUNT, "111111111111"), "UnableToAccessSecretException"),
            (SECRET.replace("us-east-1", "eu-west-1"), "UnableToAccessSecretException"),
            (SECRET + "b", "SecretNotFoundException"),
        ]:
            upstream = {"upstreamRegistryUrl": cache.host, "credentialArn": changed}
            assert refusal(ecr.create_pull_through_cache_rule, **rule, **upstream).code == code
        cache.rule(ecr)
        other = SECRET.replace("us-east-1", "eu-west-1")
        refused = refusal(ecr.update_pull_through_cache_rule, **rule, credentialArn=other)
        assert refused.code == "UnableToAccessSecretException"


def test_the_first_pull_while_the_upstream_is_away(cache: Cache) -> None:
    with cache.served() as (_, ecr):
        cache.rule(ecr)
        cache.upstream.refuse = (503, "away")
        refused = refusal(ecr.batch_get_image, **IMAGE)
        assert refused.code == "UnableToGetUpstreamImageException"
        assert "127.0.0.1 answers 503" in refused.message
        ecr.create_repository(**CACHED)
        (failure,) = ecr.batch_get_image(**IMAGE)["failures"]
        assert failure["failureCode"] == "UpstreamUnavailable"
        cache.upstream.refuse = None
        assert len(ecr.batch_get_image(**IMAGE)["images"]) == 1
        missing = {**CACHED, "imageIds": [{"imageTag": "none"}]}
        (failure,) = ecr.batch_get_image(**missing)["failures"]
        assert failure["failureCode"] == "ImageNotFound"


def test_a_secret_that_the_settings_have_lost(cache: Cache) -> None:
    with cache.served() as (_, ecr):
        cache.rule(ecr)
        assert len(ecr.batch_get_image(**IMAGE)["images"]) == 1
    cache.secrets.clear()
    with cache.served() as (admin, ecr):
        assert len(ecr.batch_get_image(**IMAGE)["images"]) == 1, "what is here is served"
        other = {"repositoryName": "cache/other", "imageIds": [{"imageTag": "v1"}]}
        refused = refusal(ecr.batch_get_image, **other)
        assert (refused.code, SECRET in refused.message) == ("UnableToGetUpstreamImageException", True)
        denied = pull(admin, ecr, "/v2/cache/other/manifests/v1")
        assert (denied.status, denied.json["errors"][0]["code"]) == (403, "DENIED")
        checked = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="cache")
        assert (checked["isValid"], SECRET in checked["failure"]) == (False, True)


@pytest.mark.parametrize("way", ["API", "registry"])
def test_a_layer_that_was_lost_is_fetched_anew(cache: Cache, way: str) -> None:
    with cache.served() as (admin, ecr):
        cache.rule(ecr)
        (image,) = ecr.batch_get_image(**IMAGE)["images"]
        layer = json.loads(image["imageManifest"])["layers"][0]["digest"]
        path, wanted = f"/v2/cache/web/blobs/{layer}", {**CACHED, "layerDigest": layer}
        _lose(cache.data, admin, layer)
        asked = len(cache.upstream.requests)
        unknown = {**CACHED, "layerDigest": "sha256:" + "0" * 64}
        assert refusal(ecr.get_download_url_for_layer, **unknown).code == "LayersNotFoundException"
        assert len(cache.upstream.requests) == asked, "an upstream is asked for what images here consist of"
        cache.upstream.refuse = (503, "away")
        refused = refusal(ecr.get_download_url_for_layer, **wanted)
        assert refused.code == "UnableToGetUpstreamLayerException"
        assert pull(admin, ecr, path).status == 502
        cache.upstream.refuse = None
        if way == "API":
            with urllib.request.urlopen(ecr.get_download_url_for_layer(**wanted)["downloadUrl"]) as response:
                content = response.read()
        else:
            content = pull(admin, ecr, path).body
        assert content == (cache.upstream.layout / "blobs" / "sha256" / layer.removeprefix("sha256:")).read_bytes()
        asked = len(cache.upstream.requests)
        assert pull(admin, ecr, path).body == content
        assert len(cache.upstream.requests) == asked
        assert _findings(admin) == []


def _lose(data: Path, admin: Managing, digest: str) -> None:
    """Delete a blob's file, and have that noticed."""
    (file,) = (data / "server" / "blobs").rglob(f"{digest.removeprefix('sha256:')}-*")
    file.unlink()
    assert [finding["kind"] for finding in _findings(admin, repair=True)] == ["MissingContent"]


def _findings(admin: Managing, *, repair: bool = False) -> list[Any]:
    page: Any = {"nextToken": None}
    findings: list[Any] = []
    while "nextToken" in page:
        token = page["nextToken"]
        page = admin.call("CheckRegistry", repair=repair, **({} if token is None else {"nextToken": token}))
        findings += page["findings"]
    return findings
