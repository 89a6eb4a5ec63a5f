"""An upstream registry for tests: a registry of ours behind a front that a test can make refuse, fail or lie."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.service.registry.harness import Answer, Harness, exchange

_MORE_THAN_ANYBODY_TAKES = 64 * 1024 * 1024


@dataclass
class Front:
    """Listens on `port`, passes on to the registry, and counts what it passes on."""

    registry: Harness
    port: int = 0
    asked: list[str] = field(default_factory=list)
    status: int | None = None
    """Answered in the place of everything, if it is set."""
    corrupt: bool = False
    """Whether blobs come with other bytes."""
    manifest: Answer | None = None
    """Answered in the place of every manifest, if it is set."""
    endless: bool = False
    """Whether blobs begin as they should and never end."""
    sent: int = 0
    """Bytes of endless blobs."""
    when_asked: Callable[[], None] = lambda: None
    user: str | None = None
    """Who may fetch a token with the password `secret`; None for everybody."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split("\r\n")[0].split()
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
            answer = await self._answer(method, target, headers.get("authorization", ""))
            if self.endless and method == "GET" and "/blobs/" in target and answer.status == 200:
                await self._send_without_end(writer, answer.body)
                return
            names = {**answer.headers, "content-length": str(len(answer.body)), "connection": "close"}
            if method == "HEAD":
                names["content-length"] = answer.headers.get("content-length", "0")
            text = "".join(f"{n}: {v}\r\n" for n, v in names.items() if n != "transfer-encoding")
            writer.write(f"HTTP/1.1 {answer.status} x\r\n{text}\r\n".encode())
            writer.write(b"" if method == "HEAD" else answer.body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _send_without_end(self, writer: asyncio.StreamWriter, begin: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(begin), begin))
        while self.sent < _MORE_THAN_ANYBODY_TAKES:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
            self.sent += 0x10000

    async def _answer(self, method: str, target: str, authorization: str) -> Answer:
        self.asked.append(f"{method} {target}")
        self.when_asked()
        if self.status is not None:
            return Answer(self.status, {}, b"")
        if target.startswith("/token?"):
            return self._token(authorization)
        if authorization != "Bearer good":
            challenge = f'Bearer realm="http://{self.host}/token",service="upstream",scope="repository:x:pull"'
            return Answer(401, {"www-authenticate": challenge}, b"")
        token = await self.registry.token()
        request = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {token}\r\n\r\n"
        answer = await exchange(self.registry.port, request.encode())
        if self.manifest is not None and "/manifests/" in target:
            return self.manifest
        if self.corrupt and "/blobs/" in target:
            return Answer(answer.status, answer.headers, answer.body[:-1] + b"?")
        return answer

    def _token(self, authorization: str) -> Answer:
        wanted = f"Basic {base64.b64encode(f'{self.user}:secret'.encode()).decode()}"
        if self.user is not None and authorization != wanted:
            return Answer(401, {}, b"")
        return Answer(200, {"content-type": "application/json"}, json.dumps({"token": "good"}).encode())


@asynccontextmanager
async def front(registry: Harness) -> AsyncGenerator[Front]:
    found = Front(registry)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found
