"""AWS Signature Version 4, both sides of it, as values to values.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes

import msgspec

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = sha256(b"").hexdigest()
DATE_FORMAT = "%Y%m%dT%H%M%SZ"


class Scope(msgspec.Struct, frozen=True):
    """A credential scope; `date` is `YYYYMMDD`."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


class SignableRequest(msgspec.Struct, frozen=True):
    """What a signature covers. `path` and `query` are as on the wire (encoded); header names are lower case, values the wire's bytes as Latin-1.

    `encoded_once` is S3's way to sign a path: every segment counts and none is encoded twice.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    payload_hash: str
    encoded_once: bool = False


def canonical_path(path: str) -> str:
    """The path with dot segments and doubled slashes resolved, then encoded once more, as every service but S3 signs it."""
    if path == "/":
        return path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    normal = "/" + "/".join(kept)
    if kept and path.endswith("/"):
        normal += "/"
    return quote(normal.encode("latin-1"), safe="/-_.~")


def plain_path(path: str) -> str:
    """The path, decoded and encoded by RFC 3986, as S3 signs it: empty and dot segments are part of a key."""
    return quote(unquote_to_bytes(path.encode("latin-1")), safe="/-_.~") or "/"


def canonical_query(query: str, *, without: str | None = None) -> str:
    """The query's pairs, decoded, encoded by RFC 3986 and sorted; the parameter named `without` is left out.

    A plus is a space, as for whoever reads the parameters, and bytes stay what they are: two queries that are read differently
    have different signatures.
    """
    if not query:
        return ""
    left_out = without.encode() if without is not None else None
    pairs: list[tuple[str, str]] = []
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        key = _decoded(name)
        if key != left_out:
            pairs.append((quote(key, safe="-_.~"), quote(_decoded(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _decoded(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1"))


def canonical_request(request: SignableRequest, signed_headers: Iterable[str], *, without: str | None = None) -> str:
    """The canonical request over `signed_headers` (sorted, lower case)."""
    names = list(signed_headers)
    lines = [f"{name}:{_canonical_value(request.headers.get(name, ''))}" for name in names]
    return "\n".join(
        (
            request.method,
            plain_path(request.path) if request.encoded_once else canonical_path(request.path),
            canonical_query(request.query, without=without),
            *lines,
            "",
            ";".join(names),
            request.payload_hash,
        )
    )


def _canonical_value(value: str) -> str:
    """A header's value with one space wherever there is any; bytes beyond ASCII are none, whatever they would be in Latin-1."""
    if value.isascii():
        return " ".join(value.split())
    return b" ".join(value.encode("latin-1").split()).decode("latin-1")


def string_to_sign(canonical: str, amz_date: str, scope: Scope) -> str:
    """What the signing key signs."""
    return f"{ALGORITHM}\n{amz_date}\n{scope}\n{sha256(canonical.encode('latin-1')).hexdigest()}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one secret, day, region and service."""
    return _hmac(_hmac(_hmac(_hmac(b"AWS4" + secret.encode(), date), region), service), "aws4_request")


def signature(
    request: SignableRequest,
    signed_headers: Iterable[str],
    *,
    secret: str,
    amz_date: str,
    scope: Scope,
    without: str | None = None,
) -> str:
    """The hexadecimal signature of a request."""
    text = string_to_sign(canonical_request(request, signed_headers, without=without), amz_date, scope)
    return _hmac(signing_key(secret, scope.date, scope.region, scope.service), text).hex()


def sign(
    request: SignableRequest,
    *,
    access_key_id: str,
    secret: str,
    region: str,
    service: str,
    now: datetime,
    session_token: str | None = None,
) -> dict[str, str]:
    """The headers to add to a request so that it is signed: `x-amz-date`, `authorization` and `x-amz-security-token`.

    `request.headers` holds `host` and whatever else shall be signed; `now` is aware.
    """
    amz_date = now.astimezone(UTC).strftime(DATE_FORMAT)
    added = {"x-amz-date": amz_date}
    if session_token:
        added["x-amz-security-token"] = session_token
    headers = {**request.headers, **added}
    names = sorted(headers)
    scope = Scope(amz_date[:8], region, service)
    full = msgspec.structs.replace(request, headers=headers)
    signed = signature(full, names, secret=secret, amz_date=amz_date, scope=scope)
    added["authorization"] = (
        f"{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signed}"
    )
    return added
