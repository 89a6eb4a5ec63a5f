"""Pack a runnable OCI image from busybox alone: no registry, no Docker, no internet.

    python examples/oci_image.py OUT_DIR --name web

writes the OCI image layout OUT_DIR (image-spec, image-layout.md) and OUT_DIR.tar of the same. The image serves an index page
with busybox's httpd on port 80 and tells each request on its standard output. Any registry client can push it, for example

    skopeo copy --dest-tls-verify=false oci:OUT_DIR:web docker://localhost:4566/web:latest

The same input gives the same digests: files are sorted, owned by root and dated 1970.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import platform
import random
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MEDIA = "application/vnd.oci.image."
APPLETS = [
    "cat",
    "dd",
    "echo",
    "env",
    "false",
    "head",
    "hostname",
    "httpd",
    "id",
    "kill",
    "ls",
    "mount",
    "nc",
    "ps",
    "seq",
    "sh",
    "sleep",
    "touch",
    "true",
    "wget",
    "yes",
]

WEB_SCRIPT = """#!/bin/sh
echo "serving on port ${PORT:-80}"
httpd -f -vv -p "${PORT:-80}" -h /www 2>&1 &
child=$!
trap 'echo stopping; kill $child; exit 0' TERM INT
wait $child
"""
INDEX_PAGE = "<!doctype html><title>Roadstead</title><h1>It runs.</h1>\n"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nweb:x:1000:1000:web:/www:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\nweb:x:1000:\nextra:x:2000:web\n"


@dataclass(frozen=True)
class ImageSpec:
    """What to pack. `random_layers` are sizes in bytes of further layers that do not compress; `architecture` is the OCI name."""

    name: str = "web"
    command: Sequence[str] = ("/bin/serve",)
    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    user: str = ""
    working_directory: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    random_layers: Sequence[int] = ()
    architecture: str = ARCHITECTURES.get(platform.machine(), platform.machine())
    busybox: Path | None = None


@dataclass(frozen=True)
class Packed:
    """A packed image: its layout directory, its tag there, and its manifest's digest."""

    directory: Path
    name: str
    digest: str


class BusyboxMissing(RuntimeError):
    """No static busybox was found."""


def find_busybox() -> Path:
    """The statically linked busybox of this machine; raises BusyboxMissing."""
    found = shutil.which("busybox")
    if found is None:
        raise BusyboxMissing("busybox is not installed: apt-get install busybox-static")
    path = Path(found).resolve()
    if b"/ld-linux" in path.read_bytes()[:4096]:
        raise BusyboxMissing(f"{path} is linked dynamically: apt-get install busybox-static")
    return path


def layer(
    files: Mapping[str, bytes], links: Mapping[str, str] | None = None, modes: Mapping[str, int] | None = None
) -> bytes:
    """An uncompressed layer: files and symbolic links by absolute path, with the directories they need."""
    links, modes = links or {}, modes or {}
    directories: set[str] = set()
    for path in (*files, *links):
        directories.update(str(parent).strip("/") for parent in Path(path).parents)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for directory in sorted(directories - {""}):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(entry)
        for path in sorted({*files, *links}):
            entry = tarfile.TarInfo(path.strip("/"))
            if path in links:
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, links[path], 0o777
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(files[path]), modes.get(path, 0o644)
                tar.addfile(entry, io.BytesIO(files[path]))
    return buffer.getvalue()


def base_layer(busybox: Path) -> bytes:
    """Busybox with its applets, users and groups, and the web server's script and page."""
    files = {
        "/bin/busybox": busybox.read_bytes(),
        "/bin/serve": WEB_SCRIPT.encode(),
        "/etc/passwd": PASSWD.encode(),
        "/etc/group": GROUP.encode(),
        "/tmp/.keep": b"",  # noqa: S108 - a path in the image
        "/www/index.html": INDEX_PAGE.encode(),
    }
    links = {f"/bin/{applet}": "busybox" for applet in APPLETS}
    return layer(files, links, {"/bin/busybox": 0o755, "/bin/serve": 0o755})


def pack(out: Path, spec: ImageSpec | None = None) -> Packed:
    """Write the image into the OCI layout `out`, which may hold other images already."""
    spec = spec or ImageSpec()
    blobs = out / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layers = [base_layer(spec.busybox or find_busybox())]
    if spec.files:
        layers.append(layer(spec.files, modes={path: 0o755 for path in spec.files if "/bin/" in path}))
    for number, size in enumerate(spec.random_layers):
        content = random.Random(f"{spec.name}-{number}-{size}").randbytes(size)  # noqa: S311 - filler
        layers.append(layer({f"/data/random-{number}": content}))
    compressed = [gzip.compress(content, compresslevel=1, mtime=0) for content in layers]
    config = _blob(blobs, MEDIA + "config.v1+json", _config(spec, layers))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "manifest.v1+json",
        "config": config,
        "layers": [_blob(blobs, MEDIA + "layer.v1.tar+gzip", content) for content in compressed],
    }
    entry = _blob(blobs, MEDIA + "manifest.v1+json", _json(manifest))
    entry["platform"] = {"os": "linux", "architecture": spec.architecture}
    entry["annotations"] = {"org.opencontainers.image.ref.name": spec.name}
    _add_to_index(out, spec.name, entry)
    return Packed(out, spec.name, str(entry["digest"]))


def write_tar(layout: Path, target: Path) -> Path:
    """The layout as one tar file, which `skopeo copy oci-archive:FILE` reads."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(layout.rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(layout)))
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size = path.stat().st_size
                with path.open("rb") as content:
                    tar.addfile(entry, content)
    return target


def _config(spec: ImageSpec, layers: Sequence[bytes]) -> bytes:
    environment = {"PATH": "/bin", **spec.environment}
    inner: dict[str, object] = {
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Cmd": list(spec.command),
        "ExposedPorts": {"80/tcp": {}},
    }
    if spec.entrypoint:
        inner["Entrypoint"] = list(spec.entrypoint)
    if spec.user:
        inner["User"] = spec.user
    if spec.working_directory:
        inner["WorkingDir"] = spec.working_directory
    diff_ids = [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in layers]
    return _json(
        {
            "architecture": spec.architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": inner,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    )


def _add_to_index(out: Path, name: str, entry: dict[str, object]) -> None:
    (out / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    index = out / "index.json"
    manifests: list[dict[str, object]] = json.loads(index.read_bytes())["manifests"] if index.exists() else []
    others = [other for other in manifests if other.get("annotations") != {"org.opencontainers.image.ref.name": name}]
    document = {"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json", "manifests": [*others, entry]}
    index.write_bytes(_json(document))


def _blob(blobs: Path, media_type: str, content: bytes) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Pack a runnable OCI image from busybox.")
    parser.add_argument("out", type=Path, help="directory of the OCI layout")
    parser.add_argument("--name", default="web", help="tag in the layout")
    parser.add_argument("--command", nargs="+", default=list(ImageSpec.command), help="what the image runs")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--file", action="append", default=[], metavar="PATH=LOCAL", help="a further file")
    parser.add_argument("--random-layer", action="append", type=int, default=[], metavar="MIB", help="a layer of noise")
    parser.add_argument("--platform", default=ImageSpec.architecture, metavar="ARCHITECTURE")
    options = parser.parse_args(arguments)
    files = {path: Path(local).read_bytes() for path, local in (item.split("=", 1) for item in options.file)}
    spec = ImageSpec(
        name=options.name,
        command=options.command,
        environment=dict(item.split("=", 1) for item in options.env),
        files=files,
        random_layers=[size << 20 for size in options.random_layer],
        architecture=options.platform,
    )
    packed = pack(options.out, spec)
    archive = write_tar(packed.directory, packed.directory.with_name(packed.directory.name + ".tar"))
    print(f"{packed.name} {packed.digest} {packed.directory} {archive}")


if __name__ == "__main__":
    main()
