"""Importing an image that is there already brings back what its repository lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from examples.oci_image import Packed
from tests.service.images.test_image_command import Calls, forget_settings, packed, sign_as
from tests.support import token_registry
from tests.support.server import Keys
from tests.support.server_process import ServerProcess, server_process

from roadstead.images.commands import copy_images, import_images
from roadstead.images.progress import Stage

__all__ = ["packed"]
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "data") as started:
        started.start()
        yield started


@pytest.fixture
def calls(server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    forget_settings(monkeypatch, tmp_path)
    written = server.credentials()
    sign_as(monkeypatch, Keys("000000000000", written["accessKeyId"], written["secretAccessKey"]))
    return Calls(server.port, tmp_path)


def fsck(server: ServerProcess, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "roadstead", "registry", "fsck", "--data", str(server.data), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def lose(server: ServerProcess, digest: str) -> None:
    """Delete the bytes of a blob behind the server's back."""
    there = [path for path in server.data.rglob("*") if path.is_file()]
    lost = [path for path in there if path.name.startswith(digest.removeprefix("sha256:"))]
    assert len(lost) == 1, (digest, there)
    lost[0].unlink()


@pytest.mark.parametrize("tag", ["", ":v1", ":v2"])
async def test_lost_content_comes_back(server: ServerProcess, calls: Calls, packed: Packed, tag: str) -> None:
    await import_images(calls.caller(), packed.directory, f"web{tag}", [])
    blobs = calls.stages(Stage.DONE)
    lose(server, blobs[0])
    assert fsck(server, "--repair").returncode == 0
    assert "LostContent" in fsck(server).stdout
    await import_images(calls.caller(), packed.directory, f"web{tag}", [])
    assert calls.stages(Stage.DONE) == blobs[:1]
    assert sorted(calls.stages(Stage.PRESENT)) == sorted(blobs[1:])
    healed = fsck(server)
    assert (healed.returncode, "everything is right" in healed.stdout) == (0, True)


async def test_a_copy_brings_it_back_too_and_below_a_list(server: ServerProcess, calls: Calls, packed: Packed) -> None:
    listed = list_of(packed)
    await import_images(calls.caller(), packed.directory, "web", ["multi"])
    kept = server.client("ecr")
    lost = calls.stages(Stage.DONE)[0]
    lose(server, lost)
    assert fsck(server, "--repair").returncode == 0
    with token_registry.serve(packed.directory) as other:
        source = f"{other.host}/lib/web@{listed}"
        await copy_images(calls.caller(), source, "web", source_aws=None, all_tags=False, outside=False)
    assert calls.stages(Stage.DONE) == [lost]
    assert fsck(server).returncode == 0
    (detail,) = kept.describe_images(repositoryName="web", imageIds=[{"imageTag": "multi"}])["imageDetails"]
    assert detail["imageDigest"] == listed


def list_of(packed: Packed) -> str:
    """Add a list `multi` of the image to its layout; returns the list's digest."""
    index = packed.directory / "index.json"
    document = json.loads(index.read_text())
    (entry,) = document["manifests"]
    child = {key: value for key, value in entry.items() if key != "annotations"}
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()
    digest = sha256(content).hexdigest()
    (packed.directory / "blobs" / "sha256" / digest).write_bytes(content)
    named = {"org.opencontainers.image.ref.name": "multi"}
    described = {"mediaType": OCI_INDEX, "digest": f"sha256:{digest}", "size": len(content), "annotations": named}
    index.write_text(json.dumps({**document, "manifests": [entry, described]}))
    return f"sha256:{digest}"
