"""Methods that a path does not have (RFC 9110, 15.5.6)."""

from __future__ import annotations

import pytest
from tests.service.registry.harness import Harness, digest_of

DIGEST = digest_of(b"layer")
ALLOWED = {
    "/v2/": "GET, HEAD",
    "/v2/_catalog": "GET",
    "/v2/_layers/x": "GET, HEAD",
    "/v2/web/manifests/v1": "DELETE, GET, HEAD, PUT",
    f"/v2/web/blobs/{DIGEST}": "DELETE, GET, HEAD",
    "/v2/web/blobs/uploads/": "POST",
    "/v2/web/blobs/uploads/x": "DELETE, GET, PATCH, PUT",
    "/v2/web/tags/list": "GET",
    f"/v2/web/referrers/{DIGEST}": "GET",
    "/v2/_token": "GET",
    "/v2/_logos/alias/web": "GET, HEAD",
}


@pytest.mark.parametrize("path", ALLOWED)
async def test_the_methods_of_a_path(web: Harness, path: str) -> None:
    answer = await web.http("OPTIONS", path)
    assert (answer.status, answer.error) == (405, "UNSUPPORTED")
    assert answer.headers["allow"] == ALLOWED[path]
