"""Name resolution and disk space."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from roadstead.engines.checkup.finding import Finding, Verdict

_GIB = 1 << 30
_COMFORTABLE = 10 * _GIB
_LOWEST = 2 * _GIB


def examine_names() -> Finding:
    """Whether every name below `localhost` leads to this machine, as RFC 6761 wants; blocking."""
    name = "000000000000.dkr.ecr.us-east-1.localhost"
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        addresses = set[str]()
    if addresses and addresses <= {"127.0.0.1", "::1"}:
        return Finding("*.localhost", Verdict.OK, "resolves to this machine")
    detail = f"{name} does not resolve: repositories get URIs of the form localhost:PORT/NAME"
    return Finding("*.localhost", Verdict.WARNING, detail, "apt-get install libnss-myhostname")


def examine_disk(path: Path) -> Finding:
    """The space that is free where `path` is or will be."""
    there = next(candidate for candidate in (path, *path.absolute().parents) if candidate.exists())
    free = shutil.disk_usage(there).free
    verdict = Verdict.OK if free >= _COMFORTABLE else Verdict.WARNING if free >= _LOWEST else Verdict.PROBLEM
    advice = "" if verdict is Verdict.OK else f"free some space: images and engines want {_COMFORTABLE // _GIB} GiB"
    return Finding(f"disk {path}", verdict, f"{free / _GIB:.1f} GiB free", advice)
