"""The registry beside distribution v3 with its filesystem driver: bulk push and pull, small requests, memory while a large image is pushed.

Interleaved in one run, by the same clients over loopback. Ours is the server process as `up` runs it: it checks a token and asks IAM on
every request, keeps its books in SQLite, and answers a push when file, directory and database row are on the disk. distribution runs
without authentication, with its in-memory descriptor cache, logs nothing below errors, and syncs a blob's file alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import boto3

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.registry_client import MIB, Blob, Client
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
LARGE = 256 * MIB
SMALL = MIB
MEMORY = "memory while a 2 GiB image is pushed"
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

    def forget(self, digests: Iterator[str] | list[str]) -> None:
        """Give the disk back what a measure put there."""
        for digest in digests:
            self.stored(digest).unlink()


@contextmanager
def ours(folder: Path) -> Generator[Registry]:
    """The server process of a fresh data directory."""
    data, port = folder / "data", free_port()
    write_config(data, Config(listen=f"127.0.0.1:{port}"))
    command = [sys.executable, "-m", "roadstead", "server", "--data", str(data)]
    with child(command, folder / "ours.log", lambda: listens(port)) as pid:
        keys = read_credentials(data)
        ecr = boto3.client(
            "ecr",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=keys.region,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
        )
        ecr.create_repository(repositoryName=REPOSITORY)
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]

        def stored(digest: str) -> Path:
            name = digest.partition(":")[2]
            return data / "server" / "blobs" / "blobs" / "sha256" / name[:2] / name

        yield Registry(Client(port, REPOSITORY, f"Basic {token}"), pid, stored)


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
    """MiB/s of new large blobs pushed at once."""
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

    return [
        Measure("push 256 MiB", "MiB/s", lambda registry: push(registry, content, 1)),
        Measure("push 256 MiB, 4 at once", "MiB/s", lambda registry: push(registry, content, 4)),
        Measure("pull 256 MiB", "MiB/s", pull),
        Measure("pull 1 MiB, 8 clients", "MB/s", small_blobs),
        Measure("manifest GET, 1 client", "1/s", rate("GET", "/manifests/latest", 1)),
        Measure("manifest GET, 16 clients", "1/s", rate("GET", "/manifests/latest", 16)),
        Measure("manifest HEAD, 1 client", "1/s", rate("HEAD", "/manifests/latest", 1)),
        Measure("manifest HEAD, 16 clients", "1/s", rate("HEAD", "/manifests/latest", 16)),
    ]


def row(measure: Measure, mine: Measured, other: Measured) -> list[str]:
    """One line of the table."""
    figures = [text for each in (mine, other) for text in (f"{each.median:.0f}", f"±{each.spread:.0%}")]
    return [measure.name, measure.unit, *figures, f"{ratio_of(mine, other):.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of small requests, a measure and round")
    parser.add_argument("--only", default="", help="only the measures whose name contains this")
    arguments = parser.parse_args()
    facts = machine_facts()
    content = Content()
    rows: list[list[str]] = []
    grown: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="roadstead-bench-") as folder,
        ours(Path(folder)) as mine,
        peer(Path(folder)) as other,
    ):
        if arguments.only in MEMORY:
            grown = [memory(registry, content) for registry in (mine, other)]
        for measure in measures(content, arguments.seconds):
            if arguments.only not in measure.name:
                continue

            def taking(registry: Registry, measure: Measure = measure) -> Callable[[], float]:
                return lambda: measure.take(registry)

            contenders = {"ours": taking(mine), "distribution": taking(other)}
            for warm in contenders.values():
                warm()
            found = interleave(contenders, arguments.rounds)
            rows.append(row(measure, found["ours"], found["distribution"]))
    print_facts(facts)
    if rows:
        print(f"\n{arguments.rounds} rounds, median\n")
        print_table(["measure", "unit", "ours", "", "distribution", "", "ratio"], rows)
    if grown:
        print(f"\n{MEMORY}: ours {grown[0]:.1f} MiB above idle, distribution {grown[1]:.1f} MiB")


if __name__ == "__main__":
    main()
