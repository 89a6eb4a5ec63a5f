"""Which bucket and object a request names: by its path, or by its host and path.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from roadstead.core.forwarding.s3.errors import InvalidArgument, InvalidBucketName, InvalidURI

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", re.ASCII)
_RESERVED = frozenset({"minio"})
"""Names that a server gives to its own administration, which only its owner may reach."""
_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?(?:s3\..+|s3-[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)")
_LOCAL = ".localhost"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and the key of an object in it, decoded; None where the request names none. `version` is a copy source's."""

    bucket: str | None = None
    key: str | None = None
    version: str | None = None

    @property
    def path(self) -> str:
        """How a request addresses it below the service's host, encoded by RFC 3986."""
        return "/" if self.bucket is None else f"/{self.bucket}{'' if self.key is None else '/' + encoded(self.key)}"

    def arns(self) -> tuple[str, ...]:
        """Its ARN; an object's under each of its spellings."""
        if self.bucket is None:
            return ("*",)
        if self.key is None:
            return (f"arn:aws:s3:::{self.bucket}",)
        return tuple(f"arn:aws:s3:::{self.bucket}/{key}" for key in spellings(self.key))


def place_of(host: str, path: str) -> Place:
    """What a request to `host` with this raw path names; raises InvalidBucketName and InvalidURI."""
    bucket = bucket_of_host(host)
    if bucket is None:
        first, slash, rest = path.lstrip("/").partition("/") if path.startswith("/") else ("", "", "")
        if not first:
            return Place()
        bucket, raw_key = _decoded(first), rest if slash else ""
    else:
        raw_key = path.removeprefix("/")
    return Place(valid_bucket(bucket), _key(_decoded(raw_key)))


def bucket_of_host(host: str) -> str | None:
    """The bucket that leads a Host header (`web.s3.localhost:4566`, `web.localhost`, `web.s3.us-east-1.amazonaws.com`)."""
    name = host.lower().rpartition(":")[0] if re.search(r":\d+$", host) else host.lower()
    if _is_address(name):
        return None
    found = _S3_HOST.fullmatch(name)
    if found is not None:
        return found["bucket"]
    return name.removesuffix(_LOCAL) if name.endswith(_LOCAL) else None


def is_s3_host(host: str) -> bool:
    """Whether a Host header says itself that it is S3's."""
    return _S3_HOST.fullmatch(host.lower().partition(":")[0]) is not None


def copy_source(header: str) -> Place:
    """The object that `x-amz-copy-source` names, with its version; raises InvalidArgument."""
    text, _, query = header.partition("?")
    bucket, _, key = _decoded(text).removeprefix("/").partition("/")
    if not key or bucket.startswith("arn:"):
        raise InvalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    version = None
    if query:
        name, _, value = query.partition("=")
        if name != "versionId" or "&" in value or not value:
            raise InvalidArgument("The only parameter of a Copy Source is versionId.")
        version = _decoded(value)
    return Place(valid_bucket(bucket), _key(key), version)


def copy_source_header(place: Place) -> str:
    """`x-amz-copy-source` for a place, spelt in one way."""
    version = f"?versionId={quote(place.version, safe='-_.~')}" if place.version is not None else ""
    return place.path.removeprefix("/") + version


def spellings(key: str) -> tuple[str, ...]:
    """The key, and the one that a server which keeps objects as files takes it for; raises InvalidURI when that is outside the bucket.

    Whoever asks for `a//b` or `x/../a/b` needs the right to `a/b` too: a policy that denies `a/b` can't be got around by spelling.
    """
    kept: list[str] = []
    for segment in key.split("/"):
        if segment == "..":
            if not kept:
                raise InvalidURI("Couldn't parse the specified URI: the key leads out of the bucket.")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    if not kept:
        raise InvalidURI("Couldn't parse the specified URI: the key names no object.")
    normal = "/".join(kept) + ("/" if key.endswith("/") else "")
    return (key,) if normal == key else (key, normal)


def valid_bucket(name: str) -> str:
    """The name, when it can be a bucket's; raises InvalidBucketName."""
    if _BUCKET.fullmatch(name) is None or ".." in name or name.lower() in _RESERVED:
        raise InvalidBucketName("The specified bucket is not valid.")
    return name


def encoded(key: str) -> str:
    """A key in a path."""
    return quote(key, safe="/-_.~")


def _key(text: str) -> str | None:
    if text:
        spellings(text)
    return text or None


def _decoded(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidURI("Couldn't parse the specified URI.") from error


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
