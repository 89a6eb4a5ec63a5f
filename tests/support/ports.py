"""Ports for servers that are told where to listen."""

from __future__ import annotations

import os
import socket

_FIRST, _COUNT = 20_000, 12_000
"""Below the ports that Linux gives to outgoing connections (net.ipv4.ip_local_port_range begins at 32768), which would come and go."""

_next = os.getpid() * 101 % _COUNT


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that this process is not given again soon; test processes begin at different ones."""
    global _next
    for _ in range(_COUNT):
        port = _FIRST + _next
        _next = (_next + 1) % _COUNT
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
