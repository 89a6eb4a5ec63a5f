"""A registry of somebody else on 127.0.0.1, read-only, that wants a Bearer token (Docker registry token authentication)."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import answering


class TokenRegistry:
    """Serves one OCI layout as the repository `lib/web`, whatever its names; `tokens` asks for them, `user` must be who logs in."""

    def __init__(self, layout: Path, user: str | None) -> None:
        self.layout = layout
        self.user = user
        self.port = 0
        self.asked: list[tuple[str, str]] = []
        """Path and Authorization of every request."""
        self.break_after: int | None = None
        """The connection ends after so many bytes of a blob, once for each blob."""
        self.broken: set[str] = set()
        self.elsewhere: str | None = None
        """Blobs are redirected to this base URL."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def token(self, scope: str, authorization: str) -> tuple[int, Mapping[str, str]]:
        if self.user is not None and authorization != self.user:
            return 401, {"details": "who are you"}
        return 200, {"token": f"for {scope}"}

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Media type and content of a manifest or blob."""
        name = path.rpartition("/")[2]
        if "/manifests/" in path and not name.startswith("sha256:"):
            entries = json.loads((self.layout / "index.json").read_bytes())["manifests"]
            names = [
                entry
                for entry in entries
                if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == name
            ]
            if not names:
                return None
            name = names[0]["digest"]
        blob = self.layout / "blobs" / "sha256" / name.removeprefix("sha256:")
        if not blob.is_file():
            return None
        content = blob.read_bytes()
        kind = json.loads(content)["mediaType"] if "/manifests/" in path else "application/octet-stream"
        return kind, content


@contextmanager
def serve(layout: Path, *, user: str | None = None) -> Generator[TokenRegistry]:
    """Serve on a free port of 127.0.0.1."""
    registry = TokenRegistry(layout, user)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            authorization = self.headers.get("Authorization", "")
            registry.asked.append((url.path, authorization))
            if url.path == "/token":
                status, document = registry.token(parse_qs(url.query).get("scope", [""])[0], authorization)
                return self._answer(status, {}, json.dumps(document).encode())
            if url.path.startswith("/elsewhere/"):
                return self._content(url.path)
            scope = "repository:lib/web:pull"
            if authorization != f"Bearer for {scope}":
                challenge = f'Bearer realm="http://{registry.host}/token",service="test",scope="{scope}"'
                return self._answer(401, {"WWW-Authenticate": challenge}, b"{}")
            if registry.elsewhere is not None and "/blobs/" in url.path:
                return self._answer(307, {"Location": f"{registry.elsewhere}/elsewhere{url.path}"}, b"")
            return self._content(url.path)

        def _content(self, path: str) -> None:
            found = registry.find(path)
            if found is None:
                return self._answer(404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
            kind, content = found
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            limit = registry.break_after
            if limit is not None and "/blobs/" in path and path not in registry.broken and len(content) > limit:
                registry.broken.add(path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:limit])
                self.close_connection = True
                return None
            return self._answer(206 if start else 200, {"Content-Type": kind}, content[start:])

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with answering(Handler) as registry.port:
        yield registry
