"""An answer that is offered for requests to come: each is recorded and noted for itself, and only while the answer holds."""

from __future__ import annotations

from typing import Any

import pytest

from roadstead.registry.http import Repeatable, Request, Response
from roadstead.registry.repeats import MAX_BYTES, REPEAT, Again, offer_again


class Offer:
    """What came of an offer, and what was noted since."""

    def __init__(self, method: str = "GET", body: bytes = b"{}", status: int = 200) -> None:
        self.kept: list[Again] = []
        self.recorded: list[str] = []
        self.given = 0
        self.holds = True
        scope: dict[str, Any] = {"method": method, "path": "/v2/web/manifests/v1", "headers": [], "query_string": b""}
        scope[REPEAT] = self.kept.append
        response = Response(status, [(b"etag", b'"d"')], body, repeatable=Repeatable(lambda: self.holds, self._give))
        offer_again(scope, Request(scope, self._nothing), response, self.recorded.append)

    def _give(self) -> None:
        self.given += 1

    async def _nothing(self) -> Any:
        raise AssertionError("a request without a body was read")


def test_every_answer_is_recorded_under_its_own_id_and_noted():
    offer = Offer()
    (again,) = offer.kept
    answers = [b"".join(again() or ()) for _ in range(3)]
    assert offer.given == 3
    assert len(set(offer.recorded)) == 3
    for request_id, answer in zip(offer.recorded, answers, strict=True):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"x-amzn-requestid: {request_id}".encode() in head
        assert b'etag: "d"' in head
        assert b"content-length: 2" in head
        assert body == b"{}"


def test_nothing_is_noted_of_an_answer_that_holds_no_more():
    offer = Offer()
    offer.holds = False
    assert offer.kept[0]() is None
    assert offer.given == 0
    assert offer.recorded == []


def test_head_tells_the_length_and_has_no_body():
    answer = b"".join(Offer("HEAD").kept[0]() or ())
    assert b"content-length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("body", "status"), [(b"x" * (MAX_BYTES + 1), 200), (b"{}", 404)])
def test_what_is_large_or_no_success_is_not_kept(body: bytes, status: int):
    assert Offer(body=body, status=status).kept == []
