"""AWS's own Signature Version 4 suite, as botocore's source distribution carries it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from tests.support.botocore_sdist import vectors

from roadstead.access.signed_request import read_claim, text_to_verify
from roadstead.core.sigv4 import SignableRequest, canonical_request, signature

pytestmark = pytest.mark.vectors

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@dataclass(frozen=True)
class Vector:
    name: str
    request: SignableRequest
    canonical: str
    to_sign: str


def _folders() -> list[Path]:
    root = vectors() / "auth" / "aws4_testsuite"
    return sorted(path.parent for path in root.rglob("*.sreq"))


def _read(folder: Path) -> Vector:
    name = folder.name
    # What was sent in the end: a session's token is added while signing, so the .req has none.
    text = (folder / f"{name}.sreq").read_text()
    head, _, body = text.partition("\n\n")
    first, *lines = head.split("\n")
    method, target = first.split(" ", 1)
    target = target.rpartition(" ")[0]
    path, _, query = target.encode().decode("latin-1").partition("?")  # the bytes on the wire, as a server reads them
    headers: dict[str, str] = {}
    last = ""
    for line in lines:
        if line.startswith(" "):
            headers[last] += f" {line.strip()}"
            continue
        key, _, value = line.partition(":")
        last = key.lower()
        headers[last] = f"{headers[last]},{value}" if last in headers else value
    authorization = (folder / f"{name}.authz").read_text().strip()
    payload = sha256(body.encode()).hexdigest()
    request = SignableRequest(method, path, query, {**headers, "authorization": authorization}, payload)
    return Vector(name, request, (folder / f"{name}.creq").read_text(), (folder / f"{name}.sts").read_text())


def _named(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", _folders(), ids=_named)
def test_signature(folder: Path) -> None:
    vector = _read(folder)
    claim = read_claim(vector.request)
    assert canonical_request(vector.request, claim.signed_headers) == vector.canonical
    assert text_to_verify(vector.request, claim) == vector.to_sign
    made = signature(vector.request, claim.signed_headers, secret=SECRET, amz_date=claim.amz_date, scope=claim.scope)
    assert made == claim.signature


def test_no_vector_is_missing() -> None:
    requests = {path.parent for path in (vectors() / "auth" / "aws4_testsuite").rglob("*.req")}
    assert set(_folders()) == requests
    names = {folder.name for folder in requests}
    assert {"get-vanilla", "get-vanilla-with-session-token", "post-sts-header-after", "post-sts-header-before"} <= names
