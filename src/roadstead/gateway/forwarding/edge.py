"""Where the gateway turns off: is a request for an upstream, and who answers it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from roadstead.gateway.forwarding.modeled import ModeledForwarding
from roadstead.gateway.forwarding.request import Call, Head
from roadstead.gateway.forwarding.s3 import S3Forwarding
from roadstead.gateway.forwarding.s3_call import is_form_upload, is_legacy_signature
from roadstead.gateway.forwarding.upstreams import S3, Upstreams
from roadstead.gateway.outcome import Outcome
from roadstead.gateway.protocols import HttpRequest
from roadstead.gateway.protocols.detect import Unidentified

_SCOPE = re.compile(r"Credential=[^/,\s]+(?:/[^/,\s]+)*?/\d{8}/[^/,\s]+/([^/,\s]+)/aws4_request")
_ACCOUNT_HEADER = "x-amz-account-id"


class Forwarding:
    """The requests for upstreams."""

    def __init__(self, upstreams: Upstreams, s3: S3Forwarding, modeled: ModeledForwarding) -> None:
        self._upstreams = upstreams
        self._s3 = s3
        self._modeled = modeled

    def streams(self, head: Head) -> bool:
        """Whether a request is S3's, whose body must not be read before."""
        if S3 not in self._upstreams.services:
            return False
        scope = _scope(head)
        if scope is not None:
            return scope == S3 and _ACCOUNT_HEADER not in head.headers
        return is_legacy_signature(head) or self._upstreams.is_s3_host(head.host) or _looks_like_s3(head)

    async def stream(self, call: Call) -> Outcome:
        """Answer a request of S3; see `S3Forwarding.answer`."""
        return await self._s3.answer(call)

    async def answer(self, request: HttpRequest, call: Call) -> Outcome | None:
        """Answer a request that was read as a whole; None when it is not an upstream's."""
        head = call.head
        if not self._upstreams.claims(_scope(head), head.host, request.headers.get("x-amz-target")):
            return None
        try:
            target = self._modeled.target_of(request)
        except Unidentified as error:
            return Outcome(error.answer(call.request_id), code=error.error_code, message=error.message)
        if target is None:
            return None
        return await self._modeled.answer(request, target, call)


def _looks_like_s3(head: Head) -> bool:
    """Whether a request whose signature can't be read is of a kind that only S3 has, or has what every request to S3 must have."""
    headers = head.headers
    if head.presigned or is_form_upload(head):
        return True
    other = "x-amz-target" in headers or headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return "x-amz-content-sha256" in headers and not other


def _scope(head: Head) -> str | None:
    """The service in the credential scope, of whichever signature the request has."""
    given = head.headers.get("authorization", "")
    if not given and head.presigned:
        given = f"Credential={dict(parse_qsl(head.query)).get('X-Amz-Credential', '')}"
    found = _SCOPE.search(given)
    return found[1] if found is not None else None
