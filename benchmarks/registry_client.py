"""A registry client that costs next to nothing: blocking sockets for bulk, a protocol on uvloop for many small requests."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import uvloop

MIB = 1 << 20
TIMEOUT = 120.0
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Blob:
    """Content that exists once in memory, whatever number of blobs is made of it: `head`, then `body` `repeat` times."""

    head: bytes
    body: bytes
    repeat: int = 1

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.head) + len(self.body) * self.repeat

    @property
    def digest(self) -> str:
        """The sha256 digest, computed anew each time."""
        running = hashlib.sha256(self.head)
        for _ in range(self.repeat):
            running.update(self.body)
        return f"sha256:{running.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and headers (lower-case names) of an answer, and what of the body came with them."""

    status: int
    headers: dict[str, str]
    rest: bytes


class Client:
    """A registry on 127.0.0.1; `authorization` is the header's value, or empty."""

    def __init__(self, port: int, repository: str, authorization: str = "") -> None:
        self.port = port
        self.base = f"/v2/{repository}"
        self.authorization = authorization

    def push(self, blob: Blob, digest: str) -> float:
        """Push a blob as containerd does, by POST and one PUT; returns the seconds from the first byte to the answer."""
        with self._connect() as connection:
            started = time.perf_counter()
            connection.sendall(self._head("POST", f"{self.base}/blobs/uploads/", {"Content-Length": "0"}))
            place = _expect(_answer(connection), 202).headers["location"]
            path = place.partition(f"127.0.0.1:{self.port}")[2] or place
            query = "&" if "?" in path else "?"
            length = {"Content-Length": str(blob.size), "Content-Type": "application/octet-stream"}
            connection.sendall(self._head("PUT", f"{path}{query}digest={digest}", length))
            connection.sendall(blob.head)
            for _ in range(blob.repeat):
                connection.sendall(blob.body)
            _expect(_answer(connection), 201)
            return time.perf_counter() - started

    def push_all(self, blobs: Sequence[tuple[Blob, str]]) -> float:
        """Push blobs at once, a connection each; returns the seconds until the last one is there."""
        with ThreadPoolExecutor(len(blobs)) as threads:
            started = time.perf_counter()
            list(threads.map(lambda each: self.push(*each), blobs))
            return time.perf_counter() - started

    def pull(self, digest: str, size: int) -> float:
        """Read a blob and throw it away; returns the seconds."""
        buffer = bytearray(MIB)
        with self._connect() as connection:
            started = time.perf_counter()
            connection.sendall(self._head("GET", f"{self.base}/blobs/{digest}", {}))
            left = size - len(_expect(_answer(connection), 200).rest)
            while left:
                count = connection.recv_into(buffer)
                if not count:
                    raise ConnectionError("the blob broke off")
                left -= count
            return time.perf_counter() - started

    def push_manifest(self, tag: str, config: Blob, layers: Sequence[tuple[str, int]]) -> bytes:
        """Push an image whose blobs are there; returns its manifest."""
        described = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": d, "size": s} for d, s in layers]
        about = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest, "size": config.size}
        content = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": about, "layers": described}).encode()
        sent = {"Content-Length": str(len(content)), "Content-Type": MANIFEST}
        with self._connect() as connection:
            connection.sendall(self._head("PUT", f"{self.base}/manifests/{tag}", sent) + content)
            _expect(_answer(connection), 201)
        return content

    def rate(self, method: str, path: str, clients: int, seconds: int) -> float:
        """Requests a second of `clients` keep-alive connections: by wrk for GET where it is installed, else by our own loop.

        wrk waits for the body that an answer to HEAD announces and does not have, so HEAD is always ours.
        """
        wrk = shutil.which("wrk")
        if wrk is None or method != "GET":
            request = self._head(method, f"{self.base}{path}", {"Accept": MANIFEST})
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_rate(self.port, request, clients, seconds, has_body=method == "GET"))
        headers = ["-H", f"Accept: {MANIFEST}"]
        if self.authorization:
            headers += ["-H", f"Authorization: {self.authorization}"]
        command = [
            wrk,
            "-t1",
            f"-c{clients}",
            f"-d{seconds}s",
            *headers,
            f"http://127.0.0.1:{self.port}{self.base}{path}",
        ]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in output or "Socket errors" in output:
            raise RuntimeError(output)
        return float(next(line.split()[1] for line in output.splitlines() if line.startswith("Requests/sec")))

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _head(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        sent = {"Host": f"127.0.0.1:{self.port}", **headers}
        if self.authorization:
            sent["Authorization"] = self.authorization
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def _answer(connection: socket.socket) -> Answer:
    received = b""
    while _HEAD_END not in received:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(f"the server left: {received!r}")
        received += piece
    head, _, rest = received.partition(_HEAD_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, rest)


def _expect(answer: Answer, status: int) -> Answer:
    if answer.status != status:
        raise RuntimeError(f"answered {answer.status} instead of {status}: {answer.rest[:500]!r}")
    return answer


class _Loop(asyncio.Protocol):
    """Sends one request after the other on a connection."""

    def __init__(self, request: bytes, has_body: bool) -> None:
        self._request = request
        self._has_body = has_body
        self._buffer = b""
        self._left = 0
        self.answers = 0
        self.failure: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclass
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._buffer = self._buffer + data if self._buffer else data
            end = self._buffer.find(_HEAD_END)
            if end < 0:
                return
            if self._buffer[9:12] != b"200":
                self.failure = self._buffer[:200].decode("latin-1")
                self._transport.close()
                return
            if self._has_body:
                head = self._buffer[: end + 2].lower()
                start = head.index(b"content-length:") + 15
                self._left = int(head[start : head.index(b"\r\n", start)]) - (len(self._buffer) - end - 4)
            self._buffer = b""
        if not self._left:
            self.answers += 1
            self._transport.write(self._request)


async def _rate(port: int, request: bytes, clients: int, seconds: int, *, has_body: bool) -> float:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made = [await loop.create_connection(lambda: _Loop(request, has_body), "127.0.0.1", port) for _ in range(clients)]
    await asyncio.sleep(seconds)
    answered = sum(protocol.answers for _, protocol in made)
    elapsed = time.perf_counter() - started
    for transport, _ in made:
        transport.abort()
    failures = [protocol.failure for _, protocol in made if protocol.failure]
    if failures:
        raise RuntimeError(failures[0])
    return answered / elapsed
