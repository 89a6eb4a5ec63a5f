"""Many small things put into a registry quickly, and lists read page by page."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import Event, Thread
from typing import TypeVar

from benchmarks.registry_client import MANIFEST, TIMEOUT, Client

T = TypeVar("T")

_AT_ONCE = 16
_NEXT = re.compile(r'<([^>]*)>;\s*rel="?next"?')


def digest_of(content: bytes) -> str:
    """The sha256 digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def send(connection: HTTPConnection, client: Client, method: str, path: str, body: bytes, kind: str) -> None:
    """One request that must be answered with 201."""
    headers = {"Content-Type": kind}
    if client.authorization:
        headers["Authorization"] = client.authorization
    connection.request(method, f"{client.base}{path}", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 201:
        raise RuntimeError(f"{method} {path} answered {answer.status}: {text[:300]!r}")


def put_all(client: Client, jobs: Iterable[tuple[str, bytes]], method: str = "PUT", kind: str = MANIFEST) -> int:
    """Send each (path, body) over a few connections; returns how many there were."""
    queue = deque(jobs)
    total = len(queue)

    def work() -> None:
        connection = HTTPConnection("127.0.0.1", client.port, timeout=TIMEOUT)
        while True:
            try:
                path, body = queue.popleft()
            except IndexError:
                return connection.close()
            send(connection, client, method, path, body, kind)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for future in [threads.submit(work) for _ in range(_AT_ONCE)]:
            future.result()
    return total


def manifests(config: str, size: int, numbers: range) -> Iterator[tuple[str, bytes]]:
    """Images that differ by an annotation, to be put by digest."""
    for number in numbers:
        content = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size},
                "layers": [],
                "annotations": {"number": str(number)},
            }
        ).encode()
        yield f"/manifests/{digest_of(content)}", content


def blobs(numbers: range) -> Iterator[tuple[str, bytes]]:
    """Blobs of a hundred bytes or so, each whole in one POST."""
    for number in numbers:
        content = b"blob %d " % number * 8
        yield f"/blobs/uploads/?digest={digest_of(content)}", content


def read_pages(client: Client, path: str, page: int) -> tuple[int, float]:
    """How many names a list has, and the seconds that reading all its pages took."""
    connection = HTTPConnection("127.0.0.1", client.port, timeout=TIMEOUT)
    headers = {"Authorization": client.authorization} if client.authorization else {}
    target: str | None = f"{client.base}{path}?n={page}"
    found, started = 0, time.perf_counter()
    while target is not None:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        found += len(json.loads(answer.read())["tags"])
        following = _NEXT.search(answer.headers.get("link", ""))
        target = following[1].partition(f"127.0.0.1:{client.port}")[2] or following[1] if following else None
    connection.close()
    return found, time.perf_counter() - started


class SteadyPusher:
    """Pushes small blobs one after the other until it is told to stop; how long each took."""

    def __init__(self, client: Client, first: int) -> None:
        self.seconds: list[float] = []
        self._client = client
        self._first = first
        self._stop = Event()
        self._failure: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True)

    def during(self, work: Callable[[], T]) -> T:
        """What `work` returns, while this pushes."""
        self._thread.start()
        try:
            return work()
        finally:
            self._stop.set()
            self._thread.join()
            if self._failure is not None:
                raise self._failure

    def _run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._client.port, timeout=TIMEOUT)
        try:
            for path, body in blobs(range(self._first, self._first + 1_000_000)):
                if self._stop.is_set():
                    return
                started = time.perf_counter()
                send(connection, self._client, "POST", path, body, "application/octet-stream")
                self.seconds.append(time.perf_counter() - started)
        except Exception as failure:  # noqa: BLE001 - raised by whoever waits
            self._failure = failure
