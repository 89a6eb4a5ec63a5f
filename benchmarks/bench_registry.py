"""The registry beside distribution v3 and olareg: bulk push and pull, small requests, long lists, garbage collection, memory.

Interleaved in one run, by the same clients over loopback. Ours is the server process as `up` runs it: it checks a token and asks IAM on
every request, keeps an audit trail and its books in SQLite, and answers a push when file, directory and database row are on the disk.
distribution runs without authentication, with its in-memory descriptor cache, logs nothing below errors, and syncs a blob's file alone;
olareg runs without authentication on a directory. Neither lists images, and neither collects garbage that many clients push beside:
those figures are ours alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import boto3

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.registry_bulk import SteadyPusher, blobs, manifests, put_all, read_pages
from benchmarks.registry_client import MIB, Blob, Client
from benchmarks.registry_scale import Images
from benchmarks.support import (
    Measured,
    child,
    free_port,
    interleave,
    listens,
    machine_facts,
    print_facts,
    print_table,
    ratio_of,
)

from roadstead.cli.settings import Config, write_config
from roadstead.engines.catalog import Catalog
from roadstead.server.files import read_credentials

REPOSITORY = "bench"
QUOTAS = "[ecr.quotas]\nTagsPerImage = 1000000\nImagesPerRepository = 1000000\n"
"""AWS has fewer tags an image than the longest list here."""
LARGE = 256 * MIB
SMALL = MIB
MEMORY = "memory while a 2 GiB image is pushed"
NAMES = ("ours", "distribution", "olareg")
TAGS = 10_000
FEW = 1000
"""Images of a repository that is small."""
IMAGE_LAYERS = 4
IMAGE_BYTES = 2048 * MIB

PEER_CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}}}
  cache: {{blobdescriptor: inmemory}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True)
class Registry:
    """A running registry; `stored` is where it keeps the content of a digest."""

    client: Client
    pid: int
    stored: Callable[[str], Path]
    api: Callable[[str], Any] | None = None
    """A boto3 client of ours for a service."""
    data: Path | None = None

    def forget(self, digests: Iterator[str] | list[str]) -> None:
        """Give the disk back what a measure put there."""
        for digest in digests:
            self.stored(digest).unlink()


@contextmanager
def ours(folder: Path) -> Generator[Registry]:
    """The server process of a fresh data directory."""
    data, port = folder / "data", free_port()
    write_config(data, Config(listen=f"127.0.0.1:{port}"))
    (data / "roadstead.toml").write_text(QUOTAS)
    command = [sys.executable, "-m", "roadstead", "server", "--data", str(data)]
    with child(command, folder / "ours.log", lambda: listens(port)) as pid:
        keys = read_credentials(data)

        def api(service: str) -> Any:
            return boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=f"http://127.0.0.1:{port}",
                region_name=keys.region,
                aws_access_key_id=keys.access_key_id,
                aws_secret_access_key=keys.secret_access_key,
            )

        ecr = api("ecr")
        ecr.create_repository(repositoryName=REPOSITORY)
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]

        def stored(digest: str) -> Path:
            name = digest.partition(":")[2]
            folder = data / "server" / "blobs" / "blobs" / "sha256" / name[:2]
            return next(folder.glob(f"{name}-*"), folder / name)

        yield Registry(Client(port, REPOSITORY, f"Basic {token}"), pid, stored, api, data)


@contextmanager
def peer(folder: Path) -> Generator[Registry]:
    """distribution, built from its module."""
    binary = asyncio.run(Catalog.load().ensure(["distribution"]))["distribution"].path("registry")
    root, port = folder / "peer", free_port()
    config = folder / "peer.yml"
    config.write_text(PEER_CONFIG.format(root=root, port=port))
    command = [str(binary), "serve", str(config)]
    with child(command, folder / "peer.log", lambda: listens(port), env={"OTEL_TRACES_EXPORTER": "none"}) as pid:

        def stored(digest: str) -> Path:
            name = digest.partition(":")[2]
            return root / "docker" / "registry" / "v2" / "blobs" / "sha256" / name[:2] / name / "data"

        yield Registry(Client(port, REPOSITORY), pid, stored)


@contextmanager
def olareg(folder: Path) -> Generator[Registry]:
    """olareg, built from its module."""
    binary = asyncio.run(Catalog.load().ensure(["olareg"]))["olareg"].path("olareg")
    root, port = folder / "olareg", free_port()
    root.mkdir()
    command = [str(binary), "serve", "--addr", "127.0.0.1", "--port", str(port), "--dir", str(root)]
    with child([*command, "--gc-frequency", "-1s"], folder / "olareg.log", lambda: listens(port)) as pid:

        def stored(digest: str) -> Path:
            return root / REPOSITORY / "blobs" / "sha256" / digest.partition(":")[2]

        yield Registry(Client(port, REPOSITORY), pid, stored)


class Content:
    """Blobs that no registry has seen, made of one buffer."""

    def __init__(self) -> None:
        self._body = os.urandom(LARGE - 16)
        self._numbers = count()

    def fresh(self, size: int = LARGE) -> Blob:
        """A new blob of a size below LARGE, or of a multiple of it (and a few bytes)."""
        head = b"%016d" % next(self._numbers)
        if size >= LARGE:
            return Blob(head, self._body, size // LARGE)
        return Blob(head, self._body[: size - 16])


def push(registry: Registry, content: Content, at_once: int) -> float:
    """MiB/s of new large blobs pushed at once, the second time of two: in free memory that a registry left itself, not the one before it.

    On a virtual machine that makes a difference of half: memory freed in small pieces goes back to its host, and has to be asked for again.
    """
    seconds = 0.0
    for _ in range(2):
        blobs = [(blob, blob.digest) for blob in (content.fresh() for _ in range(at_once))]
        seconds = registry.client.push_all(blobs)
        registry.forget([digest for _, digest in blobs])
    return at_once * LARGE / MIB / seconds


def resident(pid: int, what: str) -> float:
    """MiB of a process: `VmRSS` now, or `VmHWM`, the most since `reset_peak`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) / 1024
    raise RuntimeError(f"the kernel tells no {what}")


def reset_peak(pid: int) -> None:
    """Make VmHWM begin anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory(registry: Registry, content: Content) -> float:
    """MiB that a process which has served nothing grows by, at most, while an image is pushed, its layers at once."""
    layers = [(blob, blob.digest) for blob in (content.fresh(IMAGE_BYTES // IMAGE_LAYERS) for _ in range(IMAGE_LAYERS))]
    config = content.fresh(1024)
    idle = resident(registry.pid, "VmRSS")
    reset_peak(registry.pid)
    registry.client.push_all([*layers, (config, config.digest)])
    registry.client.push_manifest("large", config, [(digest, blob.size) for blob, digest in layers])
    grown = resident(registry.pid, "VmHWM") - idle
    registry.forget([digest for _, digest in layers])
    return grown


@dataclass(frozen=True)
class Measure:
    """A row of the table: what is measured, in which unit, and how."""

    name: str
    unit: str
    take: Callable[[Registry], float]


def measures(content: Content, seconds: int) -> list[Measure]:
    """Every row."""
    large, small = content.fresh(), content.fresh(SMALL)
    large_digest, small_digest = large.digest, small.digest

    def prepared(registry: Registry) -> Registry:
        if not registry.stored(large_digest).exists():
            for blob, digest in ((large, large_digest), (small, small_digest)):
                registry.client.push(blob, digest)
            registry.client.push_manifest("latest", small, [(large_digest, large.size)])
        return registry

    def pull(registry: Registry) -> float:
        return LARGE / MIB / prepared(registry).client.pull(large_digest, large.size)

    def rate(method: str, path: str, clients: int) -> Callable[[Registry], float]:
        return lambda registry: prepared(registry).client.rate(method, path, clients, seconds)

    def small_blobs(registry: Registry) -> float:
        return rate("GET", f"/blobs/{small_digest}", 8)(registry) * SMALL / 1e6

    def tags(registry: Registry) -> float:
        name, config = f"tags-of-{registry.pid}", content.fresh(512)
        if name not in listed:
            registry.client.push(config, config.digest)
            _, manifest = next(manifests(config.digest, config.size, range(1)))
            put_all(registry.client, ((f"/manifests/t{number:06}", manifest) for number in range(TAGS)))
            listed.add(name)
        found, seconds = read_pages(registry.client, "/tags/list", 1000)
        if found < TAGS:
            raise RuntimeError(f"{found} tags are listed")
        return seconds * 1000

    listed: set[str] = set()
    return [
        Measure("push 256 MiB", "MiB/s", lambda registry: push(registry, content, 1)),
        Measure("push 256 MiB, 4 at once", "MiB/s", lambda registry: push(registry, content, 4)),
        Measure("pull 256 MiB", "MiB/s", pull),
        Measure("pull 1 MiB, 8 clients", "MB/s", small_blobs),
        Measure("manifest GET, 1 client", "1/s", rate("GET", "/manifests/latest", 1)),
        Measure("manifest GET, 16 clients", "1/s", rate("GET", "/manifests/latest", 16)),
        Measure("manifest GET, 64 clients", "1/s", rate("GET", "/manifests/latest", 64)),
        Measure("manifest HEAD, 1 client", "1/s", rate("HEAD", "/manifests/latest", 1)),
        Measure("manifest HEAD, 16 clients", "1/s", rate("HEAD", "/manifests/latest", 16)),
        Measure("manifest HEAD, 64 clients", "1/s", rate("HEAD", "/manifests/latest", 64)),
        Measure(f"list {TAGS} tags by 1000", "ms", tags),
    ]


def row(measure: Measure, found: Mapping[str, Measured]) -> list[str]:
    """One line of the table; the ratio is against distribution, above 1 where ours is better."""
    figures = [text for name in NAMES for text in (f"{found[name].median:.0f}", f"±{found[name].spread:.0%}")]
    ratio = ratio_of(found["ours"], found["distribution"])
    return [measure.name, measure.unit, *figures, f"{1 / ratio if measure.unit == 'ms' else ratio:.2f}"]


def images(registry: Registry, count: int) -> tuple[list[str], list[list[str]]]:
    """What `count` images cost to put and to list, and rows of what single requests cost beside a few and beside all of them."""
    assert registry.api is not None
    config = Content().fresh(512)
    registry.client.push(config, config.digest)
    repository = Images(registry.client, registry.api("ecr"), REPOSITORY, config.digest, config.size)
    repository.grow(FEW)
    few = repository.costs()
    put = repository.grow(count)
    listed = repository.list()
    many = repository.costs()
    rate = (count - FEW) / put
    rows = [[name, f"{few[name]:.2f}", f"{many[name]:.2f}", f"{many[name] / few[name]:.2f}"] for name in few]
    return [f"{count} images: put {rate:.0f} a second, listed through the ECR API in {listed:.1f} s"], rows


def collect(registry: Registry, count: int) -> tuple[float, list[float], list[float]]:
    """Seconds to collect `count` blobs, and those of each small push alone and meanwhile."""
    put_all(registry.client, blobs(range(count)), "POST", "application/octet-stream")
    alone = SteadyPusher(registry.client, 10 * count)
    alone.during(partial(time.sleep, 3.0))
    meanwhile = SteadyPusher(registry.client, 20 * count)

    def gc() -> float:
        started = time.perf_counter()
        command = [sys.executable, "-m", "roadstead", "registry", "gc", "--grace", "0", "--data", str(registry.data)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        return time.perf_counter() - started

    seconds = meanwhile.during(gc)
    return seconds, alone.seconds, meanwhile.seconds


def part(seconds: list[float], share: float) -> float:
    """Milliseconds that a share of these does not exceed."""
    return sorted(seconds)[int(len(seconds) * share)] * 1000


def garbage(registry: Registry, count: int) -> str:
    """A line about garbage collection."""
    seconds, alone, meanwhile = collect(registry, count)
    return (
        f"garbage collection of {count} blobs: {seconds:.1f} s; a small push meanwhile "
        f"{part(meanwhile, 0.5):.1f} ms (median), {part(meanwhile, 0.99):.1f} ms (p99); "
        f"alone {part(alone, 0.5):.1f} and {part(alone, 0.99):.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of small requests, a measure and round")
    parser.add_argument("--only", default="", help="only the measures whose name contains this")
    parser.add_argument("--images", type=int, default=100_000, help="to list; 0 leaves it out")
    parser.add_argument("--blobs", type=int, default=100_000, help="to collect; 0 leaves it out")
    arguments = parser.parse_args()
    facts = machine_facts()
    content = Content()
    rows: list[list[str]] = []
    grown: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="roadstead-bench-") as folder,
        ours(Path(folder)) as mine,
        peer(Path(folder)) as other,
        olareg(Path(folder)) as third,
    ):
        registries = dict(zip(NAMES, (mine, other, third), strict=True))
        if arguments.only in MEMORY:
            grown = [memory(registry, content) for registry in registries.values()]
        for measure in measures(content, arguments.seconds):
            if arguments.only not in measure.name:
                continue

            def taking(registry: Registry, measure: Measure = measure) -> Callable[[], float]:
                return lambda: measure.take(registry)

            contenders = {name: taking(registry) for name, registry in registries.items()}
            for warm in contenders.values():
                warm()
            rows.append(row(measure, interleave(contenders, arguments.rounds)))
        lines: list[str] = []
        growth: list[list[str]] = []
        if arguments.images and arguments.only in "list images":
            lines, growth = images(mine, arguments.images)
        if arguments.blobs and arguments.only in "garbage":
            lines.append(garbage(mine, arguments.blobs))
        peaks = [resident(registry.pid, "VmHWM") for registry in registries.values()]
    print_facts(facts)
    if rows:
        print(f"\n{arguments.rounds} rounds, median\n")
        head = [text for name in NAMES for text in (name, "")]
        print_table(["measure", "unit", *head, "ours / distribution"], rows)
    if grown:
        print(f"\n{MEMORY}, MiB above idle: " + ", ".join(f"{n} {g:.1f}" for n, g in zip(NAMES, grown, strict=True)))
    print("peak memory of the run, MiB: " + ", ".join(f"{n} {p:.0f}" for n, p in zip(NAMES, peaks, strict=True)))
    print(*lines, sep="\n")
    if growth:
        print("\nms, one client, median\n")
        print_table(["request", f"{FEW} images", f"{arguments.images} images", "ratio"], growth)


if __name__ == "__main__":
    main()
