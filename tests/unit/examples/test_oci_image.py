from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from examples.oci_image import ImageSpec, main, pack, write_tar


def test_the_same_input_gives_the_same_digests_and_every_blob_is_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "busybox").write_bytes(b"program")
    spec = ImageSpec(name="web", files={"/www/extra": b"x"}, random_layers=(1000,), busybox=tmp_path / "busybox")
    first, second = pack(tmp_path / "a", spec), pack(tmp_path / "b", spec)
    assert first.digest == second.digest
    for blob in (tmp_path / "a" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    manifest = json.loads((tmp_path / "a" / "blobs" / "sha256" / first.digest.removeprefix("sha256:")).read_bytes())
    assert len(manifest["layers"]) == 3


def test_one_layout_holds_several_images_and_a_name_once(tmp_path: Path) -> None:
    (tmp_path / "busybox").write_bytes(b"program")
    for name in ("one", "two", "one"):
        pack(tmp_path / "layout", ImageSpec(name=name, command=("/bin/true",), busybox=tmp_path / "busybox"))
    index = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    assert [m["annotations"]["org.opencontainers.image.ref.name"] for m in index["manifests"]] == ["two", "one"]


def test_the_archive_holds_the_layout(tmp_path: Path) -> None:
    (tmp_path / "busybox").write_bytes(b"program")
    packed = pack(tmp_path / "layout", ImageSpec(busybox=tmp_path / "busybox"))
    with tarfile.open(write_tar(packed.directory, tmp_path / "layout.tar")) as tar:
        assert {"oci-layout", "index.json", "blobs/sha256"} <= set(tar.getnames())


def test_the_command_line(tmp_path: Path) -> None:
    main([str(tmp_path / "web"), "--name", "web", "--env", "A=1", "--platform", "arm64"])
    index = json.loads((tmp_path / "web" / "index.json").read_bytes())
    assert index["manifests"][0]["platform"] == {"os": "linux", "architecture": "arm64"}
    assert (tmp_path / "web.tar").exists()
