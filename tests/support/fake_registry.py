"""The read half of an OCI registry over a layout directory, with one Basic token per repository. For tests of pulling only."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import answering


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


TOKEN = basic("AWS", "right")


class FakeRegistry:
    """Every repository is served from one layout: the tag is the name in the layout's index."""

    def __init__(self, layout: Path) -> None:
        self.layout = layout
        self.requests: list[tuple[str, str, str]] = []
        """Method, path and `ns` of every request."""
        self.refuse: tuple[int, str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reference(self, tag: str) -> str:
        return f"localhost:{self.port}/{tag}:{tag}"

    def blob_requests(self) -> int:
        return sum("/blobs/" in path for _, path, _ in self.requests)

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        if self.refuse is not None:
            status, message = self.refuse
            return status, {}, json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode()
        if authorization != TOKEN:
            challenge = {"WWW-Authenticate": 'Basic realm="roadstead"'}
            return (
                401,
                challenge,
                json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "Not Authorized"}]}).encode(),
            )
        kind, _, name = path.rpartition("/")
        digest = self._digest(name)
        blob = self.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")
        if not digest or not blob.exists():
            return (
                404,
                {},
                json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode(),
            )
        content = blob.read_bytes()
        media = json.loads(content).get("mediaType", "") if kind.endswith("/manifests") else "application/octet-stream"
        return 200, {"Content-Type": media, "Docker-Content-Digest": digest}, content

    def _digest(self, name: str) -> str:
        if name.startswith("sha256:"):
            return name
        for entry in json.loads((self.layout / "index.json").read_bytes())["manifests"]:
            if entry["annotations"]["org.opencontainers.image.ref.name"] == name:
                return str(entry["digest"])
        return ""


@contextmanager
def serve(layout: Path) -> Generator[FakeRegistry]:
    """Serve on a free port of 127.0.0.1."""
    registry = FakeRegistry(layout)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            registry.requests.append((self.command, url.path, parse_qs(url.query).get("ns", [""])[0]))
            status, headers, body = registry.answer(url.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    with answering(Handler) as registry.port:
        yield registry
