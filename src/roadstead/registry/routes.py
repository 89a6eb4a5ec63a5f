"""The paths of the specification (OCI distribution 1.1, "Endpoints")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from roadstead.services.ecr.api import is_repository_name


class Endpoint(Enum):
    """A family of endpoints: one path, several methods."""

    BASE = auto()
    """`/v2/`"""
    MANIFEST = auto()
    """`/v2/<name>/manifests/<reference>`"""
    BLOB = auto()
    """`/v2/<name>/blobs/<digest>`"""
    UPLOADS = auto()
    """`/v2/<name>/blobs/uploads/`"""
    UPLOAD = auto()
    """`/v2/<name>/blobs/uploads/<id>`"""
    TAGS = auto()
    """`/v2/<name>/tags/list`"""
    REFERRERS = auto()
    """`/v2/<name>/referrers/<digest>`"""
    CATALOG = auto()
    """`/v2/_catalog`: not in the specification; its name is `*`, as that of all repositories is for IAM."""
    LAYER = auto()
    """`/v2/_layers/<ticket>`: not in the specification; where GetDownloadUrlForLayer points."""
    TOKEN = auto()
    """`/v2/_token`: Docker's token flow, of private and of public registries."""
    LOGO = auto()
    """`/v2/_logos/<alias>/<name>`: the logos of public repositories."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a path leads: the repository's name and the last part, where the endpoint has them."""

    endpoint: Endpoint
    name: str = ""
    argument: str = ""


class InvalidName(ValueError):
    """The path has the form of an endpoint, and its repository's name is not one."""


def find_route(path: str) -> Route | None:
    """The route of a decoded path, or None where the specification knows none. Raises InvalidName.

    Names contain slashes, so a path is read from its end.
    """
    if not path.startswith("/v2/"):
        return Route(Endpoint.BASE) if path == "/v2" else None
    rest = path[4:]
    if not rest:
        return Route(Endpoint.BASE)
    if rest.startswith("_layers/"):
        return Route(Endpoint.LAYER, argument=rest[8:])
    if rest in ("_token", "_token/"):
        return Route(Endpoint.TOKEN)
    if rest == "_catalog":
        return Route(Endpoint.CATALOG, "*")
    if rest.startswith("_logos/"):
        return _named(Endpoint.LOGO, rest[7:], "")
    head, _, last = rest.rpartition("/")
    name, _, family = head.rpartition("/")
    match family:
        case "manifests" if last:
            return _named(Endpoint.MANIFEST, name, last)
        case "referrers" if last:
            return _named(Endpoint.REFERRERS, name, last)
        case "tags" if last == "list":
            return _named(Endpoint.TAGS, name, "")
        case "blobs" if last == "uploads":
            return _named(Endpoint.UPLOADS, name, "")
        case "blobs" if last:
            return _named(Endpoint.BLOB, name, last)
        case "uploads" if name.endswith("/blobs"):
            endpoint = Endpoint.UPLOAD if last else Endpoint.UPLOADS
            return _named(endpoint, name.removesuffix("/blobs"), last)
        case _:
            return None


def _named(endpoint: Endpoint, name: str, argument: str) -> Route:
    if not is_repository_name(name):
        raise InvalidName(name)
    return Route(endpoint, name, argument)
