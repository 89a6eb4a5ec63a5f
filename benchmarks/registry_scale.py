"""What one request of a kind costs beside few images of a repository, and what beside many."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from typing import Any

from benchmarks.registry_bulk import digest_of, manifests, put_all, send
from benchmarks.registry_client import MANIFEST, TIMEOUT, Client

SAMPLES = 200
_NEW = 10_000_000
"""Numbers from here on are of images that only a sample puts."""


class Images:
    """The images of a repository of ours, `count` of them so far, all tagged; `ecr` is a boto3 client of it."""

    def __init__(self, client: Client, ecr: Any, repository: str, config: str, config_size: int) -> None:
        self.count = 0
        self._client = client
        self._ecr = ecr
        self._repository = repository
        self._config = config
        self._config_size = config_size
        self._fresh = _NEW

    def grow(self, count: int) -> float:
        """Have so many images; returns the seconds that the missing ones took."""
        started = time.perf_counter()
        put_all(self._client, ((f"/manifests/t{n}", self._manifest(n)) for n in range(self.count, count)))
        self.count = count
        return time.perf_counter() - started

    def list(self) -> float:
        """Seconds to list them all through the ECR API."""
        started = time.perf_counter()
        pages = self._ecr.get_paginator("list_images").paginate(repositoryName=self._repository, maxResults=1000)
        found = sum(len(page["imageIds"]) for page in pages)
        if found < self.count:
            raise RuntimeError(f"{found} images are listed")
        return time.perf_counter() - started

    def costs(self) -> Mapping[str, float]:
        """Milliseconds of each kind of request, the median of SAMPLES that ask for images all over the repository."""
        chance = random.Random(self.count)
        connection = HTTPConnection("127.0.0.1", self._client.port, timeout=TIMEOUT)
        named = {"repositoryName": self._repository}

        def read(method: str, reference: str) -> None:
            headers = {"Accept": MANIFEST, "Authorization": self._client.authorization}
            connection.request(method, f"{self._client.base}/manifests/{reference}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{method} {reference} answered {answer.status}")

        def put(reference: Callable[[bytes], str]) -> None:
            self._fresh += 1
            content = self._manifest(self._fresh)
            send(connection, self._client, "PUT", f"/manifests/{reference(content)}", content, MANIFEST)

        def digest() -> str:
            return digest_of(self._manifest(chance.randrange(self.count)))

        def tag() -> str:
            return f"t{chance.randrange(self.count)}"

        def delete() -> None:
            answer = self._ecr.batch_delete_image(
                **named, imageIds=[{"imageDigest": digest_of(self._manifest(fresh.pop()))}]
            )
            if answer["failures"]:
                raise RuntimeError(str(answer["failures"]))

        fresh = list(range(self._fresh + 1, self._fresh + 1 + SAMPLES))
        kinds: dict[str, Callable[[], object]] = {
            "PUT a manifest by digest": lambda: put(digest_of),
            "DELETE it (BatchDeleteImage)": delete,
            "PUT a manifest by a new tag": lambda: put(lambda _: f"new{self._fresh}"),
            "GET a manifest by digest": lambda: read("GET", digest()),
            "GET a manifest by tag": lambda: read("GET", tag()),
            "HEAD a manifest by tag": lambda: read("HEAD", tag()),
            "BatchGetImage": lambda: self._ecr.batch_get_image(**named, imageIds=[{"imageTag": tag()}]),
            "DescribeImages of one": lambda: self._ecr.describe_images(**named, imageIds=[{"imageTag": tag()}]),
            "ListImages, a page of 100": lambda: self._ecr.list_images(**named, maxResults=100),
        }
        found = {name: _median(kind) for name, kind in kinds.items()}
        connection.close()
        return found

    def _manifest(self, number: int) -> bytes:
        return next(manifests(self._config, self._config_size, range(number, number + 1)))[1]


def _median(call: Callable[[], object]) -> float:
    seconds: list[float] = []
    for _ in range(SAMPLES):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000
