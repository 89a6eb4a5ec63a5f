"""What a transfer asks its target for, and in which order it sends what is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from hashlib import sha256

import pytest

from roadstead.images.ends import Advance, Named, Source
from roadstead.images.model import Descriptor, Manifest, read_manifest
from roadstead.images.transfer import Transfer

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def described(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{sha256(content).hexdigest()}", "size": len(content)}


def image(layer: bytes) -> bytes:
    config, layers = described(b"{}", "application/vnd.oci.image.config.v1+json"), [described(layer, "application/x")]
    return json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers}).encode()


CHILDREN = [image(b"one"), image(b"two")]
LIST = json.dumps(
    {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described(child, IMAGE) for child in CHILDREN]}
).encode()
CONTENT = {str(described(each, "")["digest"]): each for each in (b"{}", b"one", b"two", *CHILDREN, LIST)}
DIGEST_OF = {content: digest for digest, content in CONTENT.items()}


class Memory:
    """Both ends: a source of everything, and a target of what it was given."""

    label = "memory"
    parallel = 2

    def __init__(self, *there: bytes) -> None:
        self.there = {DIGEST_OF[each] for each in there}
        self.put: list[str] = []

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        return read_manifest(CONTENT[descriptor.digest], descriptor.media_type, "it", descriptor.digest)

    async def blob(self, descriptor: Descriptor, start: int = 0) -> AsyncGenerator[bytes]:
        yield CONTENT[descriptor.digest][start:]

    async def referrers(self, digest: str) -> Sequence[Descriptor]:
        return []

    def name_of(self, named: Named, digest: str) -> str:
        return named.name

    async def has_blob(self, descriptor: Descriptor, source: Source) -> bool:
        return descriptor.digest in self.there

    async def put_blob(self, descriptor: Descriptor, source: Source, advance: Advance) -> None:
        self._take(descriptor.digest)

    async def put_manifest(self, manifest: Manifest, named: Named | None) -> None:
        assert all(each.digest in self.there for each in (*manifest.children, *manifest.blobs))
        self._take(manifest.digest)

    async def has_manifest(self, digest: str) -> bool:
        return digest in self.there

    def _take(self, digest: str) -> None:
        self.there.add(digest)
        self.put.append(digest)


@pytest.mark.parametrize("tag", [None, "v1"])
@pytest.mark.parametrize(
    ("there", "put"),
    [
        ((), (b"{}", b"one", CHILDREN[0], b"two", CHILDREN[1], LIST)),
        ((LIST,), (b"{}", b"one", CHILDREN[0], b"two", CHILDREN[1])),
        ((LIST, CHILDREN[1], b"{}", b"two"), (b"one", CHILDREN[0])),
        ((LIST, *CHILDREN, b"{}", b"two"), (b"one",)),
        ((LIST, *CHILDREN, b"{}", b"one", b"two"), ()),
    ],
)
async def test_what_is_missing_comes_also_where_its_list_or_image_is(
    there: tuple[bytes, ...], put: tuple[bytes, ...], tag: str | None
) -> None:
    target = Memory(*there)
    root = (await target.manifest(Descriptor(media_type=INDEX, digest=DIGEST_OF[LIST], size=len(LIST)))).descriptor()
    await Transfer(Memory(), target).move([Named("it", root, tag)])
    sent = [*put, LIST] if tag is not None and LIST not in put else list(put)
    assert sorted(target.put) == sorted(DIGEST_OF[each] for each in sent)
