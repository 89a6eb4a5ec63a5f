"""WWW-Authenticate of a registry's 401 (RFC 9110, 11.3; Docker registry token authentication). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PARAMETER = re.compile(r'\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')
_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a registry wants to be asked: `scheme` in lower case."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def read_challenge(headers: Sequence[str]) -> Challenge | None:
    """The challenge that we can answer, Bearer before Basic; None when there is none."""
    found = {challenge.scheme: challenge for header in headers if (challenge := _read(header)) is not None}
    return found.get("bearer") or found.get("basic")


def _read(header: str) -> Challenge | None:
    match = _SCHEME.match(header)
    if match is None:
        return None
    parameters: dict[str, str] = {}
    position = match.end()
    while parameter := _PARAMETER.match(header, position):
        name, quoted, plain = parameter.groups()
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        position = parameter.end()
    return Challenge(
        match[1].lower(), parameters.get("realm", ""), parameters.get("service", ""), parameters.get("scope", "")
    )
