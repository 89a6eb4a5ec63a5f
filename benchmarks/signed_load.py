"""A load generator: signs a bounded number of requests first, then sends them over keep-alive connections as fast as they are answered.

Its own process, so that its work is not counted as the server's. It prints one JSON object: requests, seconds, statuses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import cast

import uvloop

from roadstead.core.sigv4 import SignableRequest, sign

TIMEOUT = 120.0
USER_AGENT = "Boto3/1.44 md/Botocore#1.44 ua/2.1 os/linux lang/python#3.11"
CALLS: dict[str, tuple[str, dict[str, str], bytes]] = {
    "sts:GetCallerIdentity": (
        "sts",
        {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        b"Action=GetCallerIdentity&Version=2011-06-15",
    ),
    "ecs:DescribeClusters": (
        "ecs",
        {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AmazonEC2ContainerServiceV20141113.DescribeClusters",
        },
        b'{"clusters": ["default"]}',
    ),
}


def signed_request(call: str, port: int, key: str, secret: str) -> bytes:
    """The bytes of one request; no two have the same signature."""
    service, headers, body = CALLS[call]
    signed = {"host": f"127.0.0.1:{port}", "amz-sdk-invocation-id": str(uuid.uuid4()), **headers}
    request = SignableRequest("POST", "/", "", signed, sha256(body).hexdigest())
    added = sign(request, access_key_id=key, secret=secret, region="us-east-1", service=service, now=datetime.now(UTC))
    full = {
        **signed,
        **added,
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "content-length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in full.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


class Client:
    """One client: sends the next request when the last one is answered, on a new connection where the server closes the old one."""

    def __init__(self, port: int, requests: Iterator[bytes], statuses: Counter[str]) -> None:
        self._port = port
        self._requests = requests
        self._statuses = statuses
        self.connections = 0

    async def connect(self) -> Connection:
        """A new connection to the server."""
        self.connections += 1
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._requests, self._statuses), "127.0.0.1", self._port
        )
        return connection

    async def drain(self, connection: Connection) -> None:
        """Send what is left, beginning on `connection`."""
        while await connection.send_all():
            connection = await self.connect()


class Connection(asyncio.Protocol):
    """A keep-alive connection; parses no more of an answer than its status, its length and whether the server closes."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[str]) -> None:
        self._requests = requests
        self._statuses = statuses
        self._buffer = b""
        self._more: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclass

    async def send_all(self) -> bool:
        """Send requests until there are none or the server closes; whether there may be more of them."""
        self._next()
        return await self._more

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[: end + 2].lower()
        start = head.index(b"content-length:") + 15
        if len(self._buffer) - end - 4 < int(head[start : head.index(b"\r\n", start)]):
            return
        self._statuses[head[9:12].decode()] += 1
        self._buffer = b""
        if b"connection: close" in head:
            self._finish(True)
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._more.done():
            self._more.set_exception(exc or ConnectionError("the server closed a connection without saying so"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._finish(False)
        else:
            self._transport.write(request)

    def _finish(self, more: bool) -> None:
        self._more.set_result(more)
        self._transport.close()


async def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Sign, connect, then measure the time from the first byte sent to the last answer."""
    per_connection = arguments.requests // arguments.connections
    prepared = [
        [signed_request(arguments.call, arguments.port, arguments.key, arguments.secret) for _ in range(per_connection)]
        for _ in range(arguments.connections)
    ]
    statuses: Counter[str] = Counter()
    clients = [Client(arguments.port, iter(requests), statuses) for requests in prepared]
    connected = [await client.connect() for client in clients]
    started = time.perf_counter()
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*(c.drain(first) for c, first in zip(clients, connected, strict=True)))
    seconds = time.perf_counter() - started
    connections = sum(client.connections for client in clients)
    return {"requests": sum(statuses.values()), "seconds": seconds, "statuses": statuses, "connections": connections}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", choices=sorted(CALLS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--requests", type=int, default=2000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
