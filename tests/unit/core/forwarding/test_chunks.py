"""Signed chunks: verified by one chain, signed by another, whatever pieces they come in."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.forwarding import chunks
from roadstead.core.forwarding.chunks import Chain, ChunkSigner
from roadstead.core.forwarding.s3.errors import (
    EntityTooLarge,
    IncompleteBody,
    MalformedTrailerError,
    SignatureDoesNotMatch,
)
from roadstead.core.sigv4 import Scope, signing_key

SCOPE = Scope("20130524", "us-east-1", "s3")
DATE = "20130524T000000Z"
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def chain(secret: str = SECRET, seed: str = SEED) -> Chain:
    return Chain(signing_key(secret, SCOPE.date, SCOPE.region, SCOPE.service), DATE, SCOPE, seed)


def signed(parts: list[bytes], by: Chain, trailer: list[bytes] | None = None) -> bytes:
    out: list[bytes] = []
    for part in [*parts, b""]:
        signature = by.of_chunk(sha256(part).hexdigest()).encode()
        out.append(b"%x;chunk-signature=%b\r\n" % (len(part), signature))
        if part:
            out.append(part + b"\r\n")
    out.extend(line + b"\r\n" for line in trailer or [])
    if trailer is not None:
        text = b"".join(line + b"\n" for line in trailer)
        out.append(b"x-amz-trailer-signature:%b\r\n" % by.of_trailer(sha256(text).hexdigest()).encode())
    return b"".join([*out, b"\r\n"])


def whole(body: bytes, *, trailer: bool) -> bytes:
    signer = ChunkSigner(chain(), chain("other"), trailer=trailer)
    out = signer.feed(body)
    signer.finish()
    return out


def test_the_example_of_the_documentation() -> None:
    by = chain()
    assert by.of_chunk(sha256(b"a" * 65536).hexdigest()) == (
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
    )
    assert by.of_chunk(sha256(b"a" * 1024).hexdigest()) == (
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
    )
    assert by.of_chunk(sha256(b"").hexdigest()) == "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=4),
    st.one_of(st.none(), st.just([b"x-amz-checksum-crc32:AAAAAA=="])),
    st.integers(1, 60),
)
def test_the_body_comes_out_signed_by_the_other_chain(
    parts: list[bytes], trailer: list[bytes] | None, step: int
) -> None:
    body = signed(parts, chain(), trailer)
    signer = ChunkSigner(chain(), chain("other", "f" * 64), trailer=trailer is not None)
    out = b"".join(signer.feed(body[at : at + step]) for at in range(0, len(body), step))
    signer.finish()
    assert out == signed(parts, chain("other", "f" * 64), trailer)
    assert len(out) == len(body)


@given(st.data())
def test_no_changed_byte_passes(data: st.DataObject) -> None:
    body = bytearray(signed([b"hello", b"world"], chain(), [b"x-amz-checksum-crc32:AAAAAA=="]))
    at = data.draw(st.integers(0, len(body) - 1))
    before = chr(body[at]).lower()
    body[at] ^= data.draw(st.integers(1, 255))
    if chr(body[at]).lower() == before:
        return  # the case of a size or of a header's name says nothing
    with pytest.raises((SignatureDoesNotMatch, IncompleteBody, MalformedTrailerError, EntityTooLarge)):
        whole(bytes(body), trailer=True)


def test_a_chunk_is_not_passed_on_before_it_was_verified() -> None:
    body = signed([b"x" * 1000], chain())
    signer = ChunkSigner(chain(), chain("other"), trailer=False)
    assert signer.feed(body[:1000]) == b""
    with pytest.raises(SignatureDoesNotMatch):
        signer.feed(b"y" + body[1001:])


def test_a_body_that_ends_early_is_incomplete() -> None:
    body = signed([b"hello"], chain())
    signer = ChunkSigner(chain(), chain("other"), trailer=False)
    signer.feed(body[:-2])
    with pytest.raises(IncompleteBody):
        signer.finish()


def test_nothing_may_follow() -> None:
    signer = ChunkSigner(chain(), chain("other"), trailer=False)
    with pytest.raises(IncompleteBody):
        signer.feed(signed([b"hello"], chain()) + b"more")


def test_a_chunk_is_held_in_bounds() -> None:
    signer = ChunkSigner(chain(), chain("other"), trailer=False)
    with pytest.raises(EntityTooLarge):
        signer.feed(b"%x;chunk-signature=%b\r\n" % (chunks.MAX_CHUNK + 1, b"0" * 64))
    with pytest.raises(IncompleteBody):
        whole(b"0" * 100_000, trailer=False)
