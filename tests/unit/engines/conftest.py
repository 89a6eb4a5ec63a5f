"""What the tests of engines share: a cache of their own, recipes as text, and a small HTTP server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.support.http_server import answering

from roadstead.engines.cache import Cache
from roadstead.engines.catalog import Catalog
from roadstead.engines.host import HostFacts
from roadstead.engines.progress import Event

HOST = HostFacts("amd64", frozenset({"CAP_SYS_ADMIN"}))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which there is nothing but one empty directory, and the tools of the system behind it."""
    directory = tmp_path / "path"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.delenv("ROADSTEAD_ENGINES_DIR", raising=False)
    return directory


@dataclass
class Bench:
    """Recipes of a test, and a catalog over them."""

    recipes: Path
    cache: Cache
    events: list[Event] = field(default_factory=list)

    def recipe(self, name: str, text: str) -> None:
        (self.recipes / f"{name}.toml").write_text(text)

    def catalog(self, host: HostFacts = HOST, engines_dir: Path | None = None) -> Catalog:
        return Catalog.load([self.recipes], cache=self.cache, host=host, engines_dir=engines_dir)


@pytest.fixture
def bench(tmp_path: Path, cache: Cache, bare_path: Path) -> Bench:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    return Bench(recipes, cache)


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


Respond = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """A local HTTP server: `routes` maps a path to what answers it; `requests` are the paths and ranges asked for."""

    url: str
    routes: dict[str, Respond] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def serve(self, path: str, body: bytes) -> str:
        """Serve `body` at `path`, honouring ranges that begin somewhere."""

        def respond(handler: BaseHTTPRequestHandler) -> None:
            asked = handler.headers.get("Range")
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            if start >= len(body) > 0:
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(body)}")
                handler.end_headers()
                return
            handler.send_response(206 if asked else 200)
            handler.send_header("Content-Length", str(len(body) - start))
            handler.end_headers()
            handler.wfile.write(body[start:])

        self.routes[path] = respond
        return self.url + path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append((self.path, self.headers.get("Range")))
            respond = made.routes.get(self.path)
            if respond is None:
                self.send_error(404)
            else:
                respond(self)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with answering(Handler) as port:
        made = Server(f"http://127.0.0.1:{port}")
        yield made
