"""A request to S3, taken apart: who signed it, what it is about, which operation it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from roadstead.access.signed_request import SignatureClaim, read_claim
from roadstead.core.forwarding.chunks import SIGNED, SIGNED_WITH_TRAILER, UNSIGNED_WITH_TRAILER
from roadstead.core.forwarding.s3.access import Asked, Keys, check_prefix
from roadstead.core.forwarding.s3.documents import location_of, tags_of
from roadstead.core.forwarding.s3.errors import (
    ContentSHA256Mismatch,
    HeadersNotSigned,
    InvalidArgument,
    InvalidRequest,
    MissingContentLength,
)
from roadstead.core.forwarding.s3.places import Place, copy_source, copy_source_header, place_of
from roadstead.core.forwarding.s3.routes import Route
from roadstead.core.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD, SignableRequest
from roadstead.gateway.forwarding.request import Head
from roadstead.gateway.forwarding.s3_routes import s3_routes
from roadstead.kernel.errors import NotImplementedByRoadstead

HASH = "x-amz-content-sha256"
MAX_DOCUMENT = 8 * 1024 * 1024
"""Bytes of a document that has to be read: far more than DeleteObjects of a thousand keys has."""
_MODES = frozenset({UNSIGNED_PAYLOAD, SIGNED, SIGNED_WITH_TRAILER, UNSIGNED_WITH_TRAILER})
_UNSUPPORTED = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_READ = frozenset({"CreateBucket", "DeleteObjects", "PutBucketTagging", "PutObjectTagging"})


@dataclass(frozen=True, slots=True)
class S3Call:
    """One request.

    `headers` are the client's, with those that a presigned URL carries in its query; `query` are the operation's own parameters; `payload` is
    what the signature says of the body: its hash, or how it is signed.
    """

    head: Head
    claim: SignatureClaim
    signed: SignableRequest
    place: Place
    route: Route
    query: Mapping[str, str]
    headers: Mapping[str, str]
    payload: str

    @property
    def reads_document(self) -> bool:
        """Whether the body decides over what must be allowed."""
        return self.route.operation in _READ

    def told(self) -> dict[str, object]:
        """What the trail is told, by the model's names."""
        named = (("Bucket", self.place.bucket), ("Key", self.place.key))
        return {name: value for name, value in named if value is not None}

    def request(self, document: bytes | None) -> Asked:
        """What permission is needed for; raises MalformedXML."""
        operation = self.route.operation
        tags = location = None
        if document is not None and operation != "DeleteObjects":
            tags = tags_of(document)
            location = location_of(document) if operation == "CreateBucket" else None
        return Asked(operation, self.place, self.query, self.headers, tags or None, location)

    def check_document(self, document: bytes) -> None:
        """Hold a document against the hash that was signed; raises ContentSHA256Mismatch and InvalidRequest."""
        if self.payload == UNSIGNED_PAYLOAD:
            return
        if self.payload in _MODES:
            raise InvalidRequest(f"{self.route.operation} is not passed on with a body in signed chunks.")
        computed = sha256(document).hexdigest()
        if computed != self.payload:
            raise ContentSHA256Mismatch.between(self.payload, computed)

    def signature_keys(self, account: str, now: datetime) -> Keys:
        """The condition keys of the signature, and of whose bucket it is."""
        age = now - self.claim.signed_at
        return {
            "s3:authType": "REST-QUERY-STRING" if self.head.presigned else "REST-HEADER",
            "s3:signatureversion": "AWS4-HMAC-SHA256",
            "s3:signatureAge": str(max(0, int(age.total_seconds() * 1000))),
            "s3:ResourceAccount": account,
        }


def read_call(head: Head) -> S3Call:
    """Take a request apart; raises AuthenticationError, S3Error and NotImplementedByRoadstead."""
    if is_legacy_signature(head):
        raise InvalidRequest(_UNSUPPORTED)
    if is_form_upload(head):
        raise NotImplementedByRoadstead("Uploads by HTML form (POST Object) are not passed on to the upstream of s3.")
    payload = UNSIGNED_PAYLOAD if head.presigned else head.headers.get(HASH, EMPTY_SHA256)
    if head.presigned and HASH in head.headers:
        payload = head.headers[HASH]
    signed = SignableRequest(head.method, head.path, head.query, head.headers, payload, encoded_once=True)
    claim = read_claim(signed)
    if not head.presigned and HASH not in head.headers:
        raise InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    if payload.startswith("STREAMING-AWS4-ECDSA"):
        raise NotImplementedByRoadstead(f"A body signed as {payload} is not passed on to the upstream of s3.")
    if payload not in _MODES and _SHA256.fullmatch(payload) is None:
        raise InvalidArgument(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER,"
            " STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
        )
    if head.length is None:
        raise MissingContentLength("You must provide the Content-Length HTTP header.")
    parameters = head.parameters()
    headers = _headers(head, claim, parameters)
    place = place_of(head.host, head.path)
    route = s3_routes().find(head.method, place, parameters, headers)
    query = route.of_the_operation(parameters)
    check_prefix(query)
    return S3Call(head, claim, signed, place, route, query, headers, payload)


def is_legacy_signature(head: Head) -> bool:
    """Whether the request is signed in Signature Version 2, which only S3 ever had in this form."""
    if head.headers.get("authorization", "").startswith("AWS "):
        return True
    return "authorization" not in head.headers and all(n in head.query for n in ("AWSAccessKeyId=", "Signature="))


def is_form_upload(head: Head) -> bool:
    """Whether the request is a browser's upload by an HTML form."""
    return head.method == "POST" and head.headers.get("content-type", "").startswith("multipart/form-data")


def _headers(head: Head, claim: SignatureClaim, parameters: Mapping[str, str]) -> dict[str, str]:
    headers = dict(head.headers)
    if head.presigned:
        unsigned = sorted(n for n in headers if n.startswith("x-amz-") and n not in claim.signed_headers)
        if unsigned:
            text = "There were headers present in the request which were not signed"
            raise HeadersNotSigned(text, members={"HeadersNotSigned": ", ".join(unsigned)})
        hoisted = {name.lower(): value for name, value in parameters.items() if name.lower().startswith("x-amz-")}
        headers = {**hoisted, **headers}
    if "x-amz-copy-source" in headers:
        headers["x-amz-copy-source"] = copy_source_header(copy_source(headers["x-amz-copy-source"]))
    return headers
