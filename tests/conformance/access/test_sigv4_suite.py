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

LEFT_OUT = {
    "get-vanilla-with-session-token": "its .req has no signature of its own and its .sts and .authz do not fit each other",
    "post-sts-header-after": "its .authz misspells the algorithm as AWS4-HMAC",
}


@dataclass(frozen=True)
class Vector:
    name: str
    request: SignableRequest
    canonical: str
    authorization: str


def _folders() -> list[Path]:
    root = vectors() / "auth" / "aws4_testsuite"
    return sorted(path.parent for path in root.rglob("*.req"))


def _read(folder: Path) -> Vector:
    name = folder.name
    text = (folder / f"{name}.req").read_text()
    head, _, body = text.partition("\n\n")
    first, *lines = head.split("\n")
    method, target = first.split(" ", 1)
    target = target.rpartition(" ")[0]
    path, _, query = target.partition("?")
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
    return Vector(name, request, (folder / f"{name}.creq").read_text(), authorization)


def _named(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", [f for f in _folders() if f.name not in LEFT_OUT], ids=_named)
def test_signature(folder: Path) -> None:
    vector = _read(folder)
    claim = read_claim(vector.request)
    assert canonical_request(vector.request, claim.signed_headers) == vector.canonical
    made = signature(vector.request, claim.signed_headers, secret=SECRET, amz_date=claim.amz_date, scope=claim.scope)
    assert made == claim.signature
    assert text_to_verify(vector.request, claim).startswith("AWS4-HMAC-SHA256\n")


def test_left_out_vectors_still_exist() -> None:
    assert set(LEFT_OUT) <= {folder.name for folder in _folders()}
