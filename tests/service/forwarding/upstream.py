"""An upstream that misbehaves as it is told: a socket that answers with given bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket], None]


@dataclass
class BadUpstream:
    """Every connection is handed to `behaviour` in a thread of its own; `ended` counts those that are over."""

    behaviour: Behaviour
    port: int = 0
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def bad_upstream(behaviour: Behaviour) -> Generator[BadUpstream]:
    upstream = BadUpstream(behaviour)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream.port = int(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, upstream), daemon=True).start()
        yield upstream
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, upstream: BadUpstream) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, upstream), daemon=True).start()


def _serve(connection: socket.socket, upstream: BadUpstream) -> None:
    with connection, contextlib.suppress(OSError):
        upstream.behaviour(connection)
    upstream.ended.release()


def head_of(connection: socket.socket) -> bytes:
    """The head of one request, and whatever came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data
