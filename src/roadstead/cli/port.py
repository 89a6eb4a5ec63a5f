"""Whether the port of the API is free, asked before anything is started: a server that can't listen only says so in its log."""

from __future__ import annotations

import errno
import socket

from roadstead.cli.settings import Config


def port_problem(config: Config) -> str:
    """Why the server could not listen where `config` says; empty when it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return (
                f"another program listens on {config.listen} (`ss -ltnp sport = :{config.port}` shows which);"
                f" stop it or choose another port: --listen {config.host}:PORT"
            )
        return f"can't listen on {config.listen}: {error}"
    return ""
