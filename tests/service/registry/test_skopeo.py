"""The registry through an ordinary client."""

from __future__ import annotations

import asyncio
import json
import os
import tarfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from tests.service.registry.harness import Harness, descriptor


def write_layout(root: Path) -> None:
    """An OCI layout with one image, `one`, of two layers."""
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> bytes:
        (blobs / sha256(content).hexdigest()).write_bytes(content)
        return content

    layers = [put(_layer(name)) for name in ("first", "second")]
    diff_ids = ["sha256:" + sha256(layer).hexdigest() for layer in layers]
    config = put(
        json.dumps(
            {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        ).encode()
    )
    manifest = put(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": descriptor("application/vnd.oci.image.config.v1+json", config),
                "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer) for layer in layers],
            }
        ).encode()
    )
    named = descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    named["annotations"] = {"org.opencontainers.image.ref.name": "one"}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _layer(name: str) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        content = os.urandom(200_000)
        entry.size = len(content)
        archive.addfile(entry, BytesIO(content))
    return buffer.getvalue()


async def skopeo(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "skopeo", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_push_list_inspect_pull_delete(registry: Harness, tmp_path: Path) -> None:
    import base64

    await registry.create_repository("team/web")
    write_layout(tmp_path / "layout")
    credentials = base64.b64decode(await registry.token()).decode()
    image = f"docker://127.0.0.1:{registry.port}/team/web"
    await skopeo(
        "copy", "--insecure-policy", "--dest-tls-verify=false", "--dest-creds", credentials,
        f"oci:{tmp_path / 'layout'}:one", f"{image}:v1",
    )  # fmt: skip
    await skopeo(  # as Docker's own media types
        "copy", "--insecure-policy", "--dest-tls-verify=false", "--dest-creds", credentials, "--format", "v2s2",
        f"oci:{tmp_path / 'layout'}:one", f"{image}:docker",
    )  # fmt: skip
    login = ("--tls-verify=false", "--creds", credentials)
    listed = json.loads(await skopeo("list-tags", *login, image))
    assert listed["Tags"] == ["docker", "v1"]
    inspected = json.loads(await skopeo("inspect", *login, f"{image}:v1"))
    assert len(inspected["Layers"]) == 2
    await skopeo(
        "copy", "--insecure-policy", "--src-tls-verify=false", "--src-creds", credentials,
        f"{image}@{inspected['Digest']}", f"oci:{tmp_path / 'pulled'}:one",
    )  # fmt: skip
    for layer in inspected["Layers"]:
        name = layer.removeprefix("sha256:")
        pulled = (tmp_path / "pulled" / "blobs" / "sha256" / name).read_bytes()
        assert sha256(pulled).hexdigest() == name
    described = await registry.api("DescribeImages", {"repositoryName": "team/web"})
    kinds = {detail["imageTags"][0]: detail["imageManifestMediaType"] for detail in described["imageDetails"]}
    assert kinds == {
        "v1": "application/vnd.oci.image.manifest.v1+json",
        "docker": "application/vnd.docker.distribution.manifest.v2+json",
    }
    await skopeo("delete", *login, f"{image}:v1")
    assert json.loads(await skopeo("list-tags", *login, image))["Tags"] == ["docker"]
