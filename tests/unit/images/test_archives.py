"""Archives in and out: transfers between layouts on disk, with whatever can be wrong with them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from examples.oci_image import ImageSpec, Packed, layer, pack, write_tar

from roadstead.images.archives.directory_target import DirectoryTarget
from roadstead.images.archives.docker_source import DockerSource
from roadstead.images.archives.files import open_files
from roadstead.images.archives.layout_source import LayoutSource, blob_path
from roadstead.images.archives.opening import archive_source
from roadstead.images.archives.tar_target import TarTarget
from roadstead.images.errors import BadArchive, DigestMismatch, ImageError, NotThere
from roadstead.images.model import Descriptor
from roadstead.images.transfer import Transfer, Wishes


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"\x7fELF not really")
    spec = ImageSpec(name="v1", files={"/a": b"a"}, random_layers=[3 << 20], busybox=busybox)
    return pack(tmp_path / "layout", spec)


def with_index(packed: Packed, platforms: list[str], *, subject: bool = False) -> str:
    """Make the layout's only image an index of these platforms (the same image each); returns its digest."""
    index = json.loads((packed.directory / "index.json").read_bytes())
    entry = {key: value for key, value in index["manifests"][0].items() if key != "annotations"}
    manifests = []
    for platform in platforms:
        manifest = json.loads((packed.directory / blob_path(entry["digest"])).read_bytes())
        manifest["annotations"] = {"platform": platform}
        os, architecture = platform.split("/")
        manifests.append({**put(packed, manifest), "platform": {"os": os, "architecture": architecture}})
    media = "application/vnd.oci.image.index.v1+json"
    root = put(packed, {"schemaVersion": 2, "mediaType": media, "manifests": manifests}, media)
    entries = [{**root, "annotations": {"org.opencontainers.image.ref.name": "v1"}}]
    if subject:
        referrer = json.loads((packed.directory / blob_path(entry["digest"])).read_bytes())
        entries.append(put(packed, {**referrer, "subject": root, "artifactType": "application/x-signature"}))
    (packed.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return str(root["digest"])


def put(
    packed: Packed, document: dict[str, object], media: str = "application/vnd.oci.image.manifest.v1+json"
) -> dict[str, object]:
    content = json.dumps(document).encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    (packed.directory / blob_path(digest)).write_bytes(content)
    return {"mediaType": media, "digest": digest, "size": len(content)}


async def to_tar(
    source: LayoutSource | DockerSource, path: Path, *, docker: bool = False, wishes: Wishes | None = None
) -> None:
    target = await TarTarget.open(path, ["x"], docker=docker)
    with closing(target):
        await Transfer(source, target, wishes or Wishes()).move(source.images())
        await target.finish()


async def to_directory(source: LayoutSource | DockerSource, path: Path, wishes: Wishes | None = None) -> None:
    target = await DirectoryTarget.open(path)
    await Transfer(source, target, wishes or Wishes()).move(source.images())
    await target.finish()


async def test_a_layout_goes_through_tar_and_directory_unchanged(packed: Packed, tmp_path: Path) -> None:
    with open_files(packed.directory) as files:
        await to_tar(LayoutSource(files), tmp_path / "a.tar")
    with open_files(tmp_path / "a.tar") as files:
        await to_directory(LayoutSource(files), tmp_path / "again")
    with open_files(tmp_path / "again") as files:
        (image,) = LayoutSource(files).images()
    assert image.root.digest == packed.digest
    assert image.tag == "v1"
    before = {p.name: p.read_bytes() for p in (packed.directory / "blobs" / "sha256").iterdir()}
    assert {p.name: p.read_bytes() for p in (tmp_path / "again" / "blobs" / "sha256").iterdir()} == before


async def test_every_file_of_a_directory_is_on_the_disk_before_it_has_its_name(
    packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, int] = {}

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_size

    monkeypatch.setattr(os, "fsync", fsync)
    with open_files(packed.directory) as files:
        await to_directory(LayoutSource(files), tmp_path / "out")
    written = [path.stat() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {found.st_ino: found.st_size for found in written} == synced


@pytest.mark.parametrize("compress", [gzip, bz2, lzma])
async def test_compressed_archives_are_read(compress: ModuleType, tmp_path: Path) -> None:
    config, _ = docker_save(tmp_path / "d.tar")
    (tmp_path / "d.tar.x").write_bytes(compress.compress((tmp_path / "d.tar").read_bytes()))
    with open_files(tmp_path / "d.tar.x") as files:
        await to_directory(await archive_source(files), tmp_path / "out")
    assert (tmp_path / "out" / blob_path(config)).exists()


async def test_zstd_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(BadArchive, match="compressed with zstd"), open_files(tmp_path / "a.tar.zst"):
        pass


async def test_the_archive_that_docker_load_reads(packed: Packed, tmp_path: Path) -> None:
    with open_files(packed.directory) as files:
        await to_tar(LayoutSource(files), tmp_path / "a.tar", docker=True)
    with tarfile.open(tmp_path / "a.tar") as tar:
        (saved,) = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        config = json.load(tar.extractfile(saved["Config"]) or io.BytesIO())
        for name, diff_id in zip(saved["Layers"], config["rootfs"]["diff_ids"], strict=True):
            content = gzip.decompress((tar.extractfile(name) or io.BytesIO()).read())
            assert "sha256:" + hashlib.sha256(content).hexdigest() == diff_id


async def test_docker_load_reads_an_image_with_a_layer_twice(tmp_path: Path) -> None:
    """As images have whose Dockerfile changes nothing in several steps."""
    docker_save(tmp_path / "saved.tar", links=True)
    with open_files(tmp_path / "saved.tar") as files:
        source = await archive_source(files)
        await to_tar(source, tmp_path / "a.tar", docker=True)
        manifest = await source.manifest(source.images()[0].root)
    layers = [each["digest"] for each in json.loads(manifest.content)["layers"]]
    assert len(layers) > len(set(layers))
    with tarfile.open(tmp_path / "a.tar") as tar:
        (saved,) = json.load(tar.extractfile("manifest.json") or io.BytesIO())
    assert saved["Layers"] == [blob_path(layer) for layer in layers]
    with open_files(tmp_path / "a.tar") as files:
        (again, _) = DockerSource(files).images()
    assert again.root.digest == manifest.digest


def docker_save(
    path: Path, *, break_config: bool = False, links: bool = False, compressed: bool = False
) -> tuple[str, list[str]]:
    """What docker save of old wrote; config and layer digests."""
    layers = [layer({f"/file-{number}": b"x" * number}) for number in range(2)]
    if links:
        layers.append(layers[0])
    diff_ids = ["sha256:" + hashlib.sha256(content).hexdigest() for content in layers]
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()
    name = hashlib.sha256(config).hexdigest()
    with tarfile.open(path, "w") as tar:
        for number, content in enumerate(layers):
            entry = tarfile.TarInfo(f"{number}/layer.tar")
            if links and number == 2:
                entry.type, entry.linkname = tarfile.SYMTYPE, "../0/layer.tar"
                tar.addfile(entry)
                continue
            sent = gzip.compress(content) if compressed else content
            entry.size = len(sent)
            tar.addfile(entry, io.BytesIO(sent))
        document = [
            {
                "Config": f"{name}.json",
                "RepoTags": ["me/web:1", "me/web:2"],
                "Layers": [f"{n}/layer.tar" for n in range(len(layers))],
            }
        ]
        for file, content in (
            (f"{name}.json", b"{}" if break_config else config),
            ("manifest.json", json.dumps(document).encode()),
        ):
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return f"sha256:{name}", diff_ids


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
async def test_docker_save_is_read(links: bool, compressed: bool, tmp_path: Path) -> None:
    config, _ = docker_save(tmp_path / "d.tar", links=links, compressed=compressed)
    with open_files(tmp_path / "d.tar") as files:
        source = await archive_source(files)
        assert [(image.repository, image.tag) for image in source.images()] == [("me/web", "1"), ("me/web", "2")]
        await to_directory(source, tmp_path / "out")
    with open_files(tmp_path / "out") as files:
        first, second = LayoutSource(files).images()
        manifest = await LayoutSource(files).manifest(first.root)
    assert first.root.digest == second.root.digest
    assert manifest.config is not None
    assert manifest.config.digest == config


async def test_layers_and_configuration_must_fit(tmp_path: Path) -> None:
    docker_save(tmp_path / "d.tar", break_config=True)
    with open_files(tmp_path / "d.tar") as files, pytest.raises(BadArchive, match=r"d\.tar: .*\.json"):
        await archive_source(files)


async def test_one_platform_of_an_index(packed: Packed, tmp_path: Path) -> None:
    with_index(packed, ["linux/amd64", "linux/arm64"])
    with open_files(packed.directory) as files:
        source = LayoutSource(files)
        await to_directory(source, tmp_path / "all")
        await to_directory(source, tmp_path / "one", Wishes(platform="linux/arm64"))
        with pytest.raises(NotThere, match=r"v1 has no image for linux/s390x; it has: linux/amd64, linux/arm64"):
            await to_directory(source, tmp_path / "none", Wishes(platform="linux/s390x"))
        with pytest.raises(ImageError, match="no image of one platform"):
            await to_tar(source, tmp_path / "d.tar", docker=True)
    assert platforms(tmp_path / "all") == ["linux/amd64", "linux/arm64"]
    assert platforms(tmp_path / "one") == ["linux/arm64"]


def platforms(layout: Path) -> list[str]:
    contents = [path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()]
    return sorted(json.loads(text)["annotations"]["platform"] for text in contents if b'"annotations"' in text)


async def test_referrers_come_along_when_asked(packed: Packed, tmp_path: Path) -> None:
    with_index(packed, ["linux/amd64"], subject=True)
    with open_files(packed.directory) as files:
        source = LayoutSource(files)
        assert len(source.images()) == 1
        await to_directory(source, tmp_path / "without")
        await to_directory(source, tmp_path / "with", Wishes(referrers=True))
    for name, count in (("without", 1), ("with", 2)):
        assert len(json.loads((tmp_path / name / "index.json").read_bytes())["manifests"]) == count


class Breaking(LayoutSource):
    """Breaks off after some bytes, once."""

    left = 2 << 20
    started: list[tuple[str, int]]

    async def blob(self, descriptor: Descriptor, start: int = 0) -> AsyncGenerator[bytes]:
        self.started.append((descriptor.digest, start))
        async for chunk in super().blob(descriptor, start):
            self.left -= len(chunk)
            if self.left < 0:
                raise ImageError("broke off")
            yield chunk


@pytest.mark.parametrize("kind", ["tar", "directory"])
async def test_an_export_that_broke_off_goes_on(kind: str, packed: Packed, tmp_path: Path) -> None:
    with open_files(packed.directory) as files:
        source = Breaking(files)
        source.started = []
        move = to_tar if kind == "tar" else to_directory
        with pytest.raises(ImageError, match="broke off"):
            await move(source, tmp_path / "out")
        assert kind == "directory" or not (tmp_path / "out").exists()
        before = len(source.started)
        source.left = 1 << 40
        await move(source, tmp_path / "out")
        resumed = source.started[before:]
        assert any(start >= 1 << 20 for _, start in resumed)
        assert kind == "directory" or len(resumed) < before
        assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
    with open_files(tmp_path / "out") as files:
        again = LayoutSource(files)
        await to_directory(again, tmp_path / "verified")


async def test_a_partial_archive_that_was_damaged_is_written_anew_from_there(packed: Packed, tmp_path: Path) -> None:
    with open_files(packed.directory) as files:
        source = Breaking(files)
        source.started = []
        with pytest.raises(ImageError, match="broke off"):
            await to_tar(source, tmp_path / "out.tar")
        (partial,) = tmp_path.glob(".out.tar.*.partial")
        content = bytearray(partial.read_bytes())
        content[600] ^= 1
        partial.write_bytes(content)
        source.left = 1 << 40
        await to_tar(source, tmp_path / "out.tar")
    with open_files(tmp_path / "out.tar") as files:
        await to_directory(LayoutSource(files), tmp_path / "verified")


def _largest(layout: Path) -> Path:
    return max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)


async def test_content_of_another_digest_is_refused_and_named(packed: Packed, tmp_path: Path) -> None:
    blob = _largest(packed.directory)
    content = bytearray(blob.read_bytes())
    content[1000] ^= 1
    blob.write_bytes(content)
    for move in (to_directory, to_tar):
        with open_files(packed.directory) as files, pytest.raises(DigestMismatch, match=blob.name):
            await move(LayoutSource(files), tmp_path / move.__name__)


async def test_a_blob_that_is_short_or_missing_or_a_link_is_named(packed: Packed, tmp_path: Path) -> None:
    blob = _largest(packed.directory)
    content = blob.read_bytes()
    blob.write_bytes(content[:-1])
    with (
        open_files(packed.directory) as files,
        pytest.raises(BadArchive, match=rf"{blob.name} has {len(content) - 1} bytes"),
    ):
        await to_directory(LayoutSource(files), tmp_path / "1")
    blob.unlink()
    with open_files(packed.directory) as files, pytest.raises(BadArchive, match=f"{blob.name} is not there"):
        await to_directory(LayoutSource(files), tmp_path / "2")
    (tmp_path / "elsewhere").write_bytes(content)
    blob.symlink_to(tmp_path / "elsewhere")
    with open_files(packed.directory) as files, pytest.raises(BadArchive, match="no regular file"):
        await to_directory(LayoutSource(files), tmp_path / "3")


async def test_a_truncated_archive_is_named(packed: Packed, tmp_path: Path) -> None:
    whole = write_tar(packed.directory, tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArchive, match=r"a\.tar is cut short"), open_files(tmp_path / "a.tar"):
        pass
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(whole)[:-1000])
    with pytest.raises(BadArchive, match=r"a\.tar\.gz can't be unpacked"), open_files(tmp_path / "a.tar.gz"):
        pass


@pytest.mark.parametrize(
    ("digest", "message"),
    [
        ("../../../etc/passwd", "which can't be"),
        ("sha256:../../../../etc/passwd", "which can't be"),
        ("md5:" + "0" * 32, "which can't be"),
    ],
)
async def test_a_digest_that_is_a_path_is_refused(digest: str, message: str, packed: Packed) -> None:
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1}
    (packed.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with open_files(packed.directory) as files, pytest.raises(BadArchive, match=message):
        LayoutSource(files)


@pytest.mark.parametrize(
    ("layer_path", "message"),
    [
        ("../secret.tar.gz", "leads out of it"),
        ("{outside}/secret.tar.gz", "leads out of it"),
        ("link/secret.tar.gz", "leads out of it"),
        ("a\0b", "leads out of it"),
        ("missing/layer.tar", "has no missing/layer.tar"),
    ],
)
async def test_an_unpacked_archive_holds_nothing_but_its_own_files(
    layer_path: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "secret.tar.gz").write_bytes(gzip.compress(b"of somebody else"))
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "link").symlink_to(tmp_path)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}
    (saved / "config.json").write_text(json.dumps(config))
    document = [{"Config": "config.json", "RepoTags": None, "Layers": [layer_path.format(outside=tmp_path)]}]
    (saved / "manifest.json").write_text(json.dumps(document))
    with open_files(saved) as files, pytest.raises(BadArchive, match=message):
        await archive_source(files)


async def test_manifests_of_brackets_and_indexes_that_nest_are_refused(packed: Packed, tmp_path: Path) -> None:
    brackets = put(packed, {})
    content = b"[" * (4 << 20)
    path = packed.directory / blob_path("sha256:" + hashlib.sha256(content).hexdigest())
    path.write_bytes(content)
    entries = [{**brackets, "digest": "sha256:" + path.name, "size": len(content)}]
    (packed.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    with open_files(packed.directory) as files, pytest.raises(BadArchive, match=path.name):
        LayoutSource(files).images()
    media = "application/vnd.oci.image.index.v1+json"
    nested: dict[str, object] = put(packed, {"schemaVersion": 2, "mediaType": media, "manifests": []}, media)
    for _ in range(12):
        nested = put(packed, {"schemaVersion": 2, "mediaType": media, "manifests": [nested]}, media)
    named = {**nested, "annotations": {"org.opencontainers.image.ref.name": "deep"}}
    (packed.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    with open_files(packed.directory) as files, pytest.raises(BadArchive, match="nest deeper than 8"):
        await to_directory(LayoutSource(files), tmp_path / "out")


async def test_a_directory_of_other_things_is_left_alone(packed: Packed, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(BadArchive, match=r"holds other things \(thesis\.txt\)"):
        await DirectoryTarget.open(tmp_path / "mine")


async def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with open_files(tmp_path / "empty") as files, pytest.raises(BadArchive, match="neither an OCI layout"):
        await archive_source(files)
    with pytest.raises(BadArchive, match=r"missing\.tar can't be read"), open_files(tmp_path / "missing.tar"):
        pass
