"""An answer that is offered for requests to come: each is recorded and noted for itself, and only while the answer holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from roadstead.registry.http import FilePart, Repeatable, Request, Response
from roadstead.registry.repeats import MAX_BYTES, REPEAT, Again, Repeated, offer_again


class Offer:
    """What came of an offer, and what was noted since."""

    def __init__(self, method: str = "GET", body: bytes | FilePart = b"{}", status: int = 200) -> None:
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


def whole(repeated: Repeated | None) -> bytes:
    assert repeated is not None
    assert repeated.file is None
    return b"".join(repeated.parts)


def test_every_answer_is_recorded_under_its_own_id_and_noted():
    offer = Offer()
    (again,) = offer.kept
    answers = [whole(again()) for _ in range(3)]
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
    answer = whole(Offer("HEAD").kept[0]())
    assert b"content-length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_part_of_a_file_is_opened_for_each_answer(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"0123456789")
    offer = Offer(body=FilePart(path, 3, 4))
    (again,) = offer.kept
    first, second = again(), again()
    assert first is not None
    assert second is not None
    assert first.file is not None
    assert second.file is not None
    assert first.file != second.file
    assert os.pread(first.file, first.length, first.start) == b"3456"
    assert b"content-length: 4\r\n" in b"".join(first.parts)
    os.close(first.file)
    os.close(second.file)
    assert len(offer.recorded) == 2


def test_nothing_is_noted_of_a_file_that_is_gone(tmp_path: Path) -> None:
    offer = Offer(body=FilePart(tmp_path / "gone", 0, 4))
    assert offer.kept[0]() is None
    assert (offer.given, offer.recorded) == (0, [])


@pytest.mark.parametrize(("body", "status"), [(b"x" * (MAX_BYTES + 1), 200), (b"{}", 404)])
def test_what_is_large_or_no_success_is_not_kept(body: bytes, status: int):
    assert Offer(body=body, status=status).kept == []
