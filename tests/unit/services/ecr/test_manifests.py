from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.keys import digest_of, is_digest, is_repository_name, is_tag
from roadstead.services.ecr.manifests import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    parse_manifest,
)
from roadstead.services.ecr.mutability import Mutability, TagMutability

CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"c"), "size": 10}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": digest_of(b"l"), "size": 20}


def image(**more: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": CONFIG, "layers": [LAYER], **more}).encode()


def test_an_image() -> None:
    manifest = parse_manifest(image(layers=[LAYER, LAYER]), OCI_MANIFEST)
    assert manifest.blobs == (CONFIG["digest"], LAYER["digest"])
    assert (manifest.bytes_elsewhere, manifest.children, manifest.subject) == (0, (), None)
    assert manifest.artifact_type == CONFIG["mediaType"]
    assert not manifest.is_index


def test_an_index() -> None:
    child = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"m"), "size": 3}
    content = json.dumps({"schemaVersion": 2, "manifests": [child], "subject": child}).encode()
    manifest = parse_manifest(content, OCI_INDEX)
    assert manifest.is_index
    assert (manifest.children, manifest.blobs, manifest.artifact_type) == ((child["digest"],), (), None)
    assert manifest.subject == child["digest"]


@pytest.mark.parametrize(
    ("inside", "given_type", "expected"),
    [
        (None, OCI_MANIFEST, OCI_MANIFEST),
        (DOCKER_MANIFEST, DOCKER_MANIFEST, DOCKER_MANIFEST),
        (DOCKER_MANIFEST, None, DOCKER_MANIFEST),
        (None, None, OCI_MANIFEST),
        (OCI_MANIFEST, "application/json", OCI_MANIFEST),
        (OCI_MANIFEST, OCI_MANIFEST.upper(), OCI_MANIFEST),
        (OCI_MANIFEST.title(), OCI_MANIFEST, OCI_MANIFEST),
        (None, "Application/JSON", OCI_MANIFEST),
    ],
)
def test_the_media_type(inside: str | None, given_type: str | None, expected: str) -> None:
    more = {} if inside is None else {"mediaType": inside}
    assert parse_manifest(image(**more), given_type).media_type == expected


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (image(mediaType=DOCKER_MANIFEST), OCI_MANIFEST),
        (image(manifests=[]), OCI_MANIFEST),
        (image(), OCI_INDEX),
        (image(), DOCKER_LIST),
        (image(), "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        (image(schemaVersion=3), OCI_MANIFEST),
        (image(config=None), OCI_MANIFEST),
        (image(config={"size": 1}), OCI_MANIFEST),
        (image(subject={"digest": "sha256:1"}), OCI_MANIFEST),
        (image(annotations={"a": 1}), OCI_MANIFEST),
        (image(layers=[LAYER, {**LAYER, "size": 2**63 - 1}]), OCI_MANIFEST),
        (image(layers=[{**LAYER, "size": 2**63}]), OCI_MANIFEST),
        (image(config={**CONFIG, "size": 10**30}), OCI_MANIFEST),
        (image(subject={**LAYER, "size": 2**64}), OCI_MANIFEST),
        (image(layers=[{**LAYER, "size": 1.5}]), OCI_MANIFEST),
        (image(schemaVersion=10**30), OCI_MANIFEST),
        (image(layers=[LAYER]).replace(b"20", b"2" * 10_000), OCI_MANIFEST),
        (image(artifactType="x" * 256), OCI_MANIFEST),
        (image(artifactType="a\0b"), OCI_MANIFEST),
        (image(config={**CONFIG, "mediaType": "a\0b"}), OCI_MANIFEST),
        (b'{"schemaVersion":2}', None),
        (b"[" * 1_000_000, OCI_MANIFEST),
        (b'{"x":' * 500_000, OCI_MANIFEST),
    ],
)
def test_what_is_no_manifest(content: bytes, media_type: str | None) -> None:
    with pytest.raises(InvalidParameterException):
        parse_manifest(content, media_type)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_nothing_else_is_raised(content: bytes) -> None:
    with pytest.raises(InvalidParameterException):
        parse_manifest(content, OCI_MANIFEST)


def test_layers_that_are_elsewhere_need_not_be_pushed() -> None:
    elsewhere = {**LAYER, "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "urls": ["https://x"]}
    manifest = parse_manifest(image(layers=[elsewhere]), OCI_MANIFEST)
    assert (manifest.blobs, manifest.bytes_elsewhere) == ((CONFIG["digest"],), 20)
    with_urls_only = {**LAYER, "urls": ["https://x"]}
    assert LAYER["digest"] in parse_manifest(image(layers=[with_urls_only]), OCI_MANIFEST).blobs


@given(st.text(max_size=300))
def test_names_are_safe(text: str) -> None:
    for check in (is_repository_name, is_tag, is_digest):
        if check(text):
            assert text.isascii()
            assert ".." not in text or check is is_tag
            assert not text.startswith(("/", "."))
            assert not set(text) & set("\\\n\0% ")


@pytest.mark.parametrize(
    ("setting", "exclusions", "tag", "may_move"),
    [
        (TagMutability.MUTABLE, (), "v1", True),
        (TagMutability.IMMUTABLE, (), "v1", False),
        (TagMutability.IMMUTABLE_WITH_EXCLUSION, ("dev-*", "latest"), "dev-1", True),
        (TagMutability.IMMUTABLE_WITH_EXCLUSION, ("dev-*", "latest"), "latest", True),
        (TagMutability.IMMUTABLE_WITH_EXCLUSION, ("dev-*", "latest"), "latest2", False),
        (TagMutability.MUTABLE_WITH_EXCLUSION, ("v*.*",), "v1.2", False),
        (TagMutability.MUTABLE_WITH_EXCLUSION, ("v*.*",), "v12", True),
    ],
)
def test_mutability(setting: TagMutability, exclusions: tuple[str, ...], tag: str, may_move: bool) -> None:
    assert Mutability.checked(setting, exclusions).may_move(tag) is may_move
