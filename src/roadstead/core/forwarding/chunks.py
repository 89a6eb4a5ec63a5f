"""Bodies whose chunks are signed one after the other: each is verified, and signed anew with another key.

The framing stays as it is, byte for byte but for the signatures, so the length stays too.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html there.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256

from roadstead.core.forwarding.s3.errors import (
    EntityTooLarge,
    IncompleteBody,
    MalformedTrailerError,
    SignatureDoesNotMatch,
)
from roadstead.core.sigv4 import EMPTY_SHA256, Scope

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

MAX_CHUNK = 16 * 1024 * 1024
"""Bytes of one signed chunk at most: it is held until its signature is verified. SDKs make chunks of 64 KiB to 1 MiB."""
_MAX_LINE = 16 * 1024
_HEAD = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})")
_TRAILER_SIGNATURE = b"x-amz-trailer-signature:"
_TERMINATED = "The request body terminated unexpectedly"
_TRAILER = "The request contained trailing data that was not well-formed or did not conform to our published schema."
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


@dataclass(slots=True)
class Chain:
    """A chain of signatures: each covers the one before; `previous` starts as the request's own."""

    key: bytes
    amz_date: str
    scope: Scope
    previous: str

    def of_chunk(self, data_hash: str) -> str:
        """The next chunk's signature."""
        return self._next("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{data_hash}")

    def of_trailer(self, trailer_hash: str) -> str:
        """The trailer's signature."""
        return self._next("AWS4-HMAC-SHA256-TRAILER", trailer_hash)

    def _next(self, algorithm: str, rest: str) -> str:
        text = f"{algorithm}\n{self.amz_date}\n{self.scope}\n{self.previous}\n{rest}"
        self.previous = hmac.digest(self.key, text.encode(), "sha256").hex()
        return self.previous


class _State(Enum):
    HEAD = auto()
    DATA = auto()
    TRAILER = auto()
    END = auto()


class ChunkSigner:
    """Takes a signed body in pieces of any size and gives it back signed by another chain; `incoming` is the sender's."""

    def __init__(self, incoming: Chain, outgoing: Chain, *, trailer: bool) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._trailer = trailer
        self._state = _State.HEAD
        self._buffer = bytearray()
        self._size = 0
        self._size_text = b""
        self._claimed = ""
        self._trailers: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """What can be passed on now; raises an S3Error for a wrong signature or framing."""
        self._buffer += data
        out: list[bytes] = []
        while (piece := self._step()) is not None:
            out.append(piece)
        return b"".join(out)

    def finish(self) -> None:
        """The body has ended; raises IncompleteBody when it should not have."""
        if self._state is not _State.END:
            raise IncompleteBody(_TERMINATED)

    def _step(self) -> bytes | None:
        if self._state is _State.HEAD:
            return self._head()
        if self._state is _State.DATA:
            return self._data()
        if self._state is _State.TRAILER:
            return self._trailer_line()
        if self._buffer:
            raise IncompleteBody(_TERMINATED)
        return None

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                raise IncompleteBody(_TERMINATED)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _head(self) -> bytes | None:
        line = self._line()
        if line is None:
            return None
        found = _HEAD.fullmatch(line)
        if found is None:
            raise IncompleteBody(_TERMINATED)
        self._size_text, self._claimed = found[1], found[2].decode()
        self._size = int(found[1], 16)
        if self._size > MAX_CHUNK:
            raise EntityTooLarge(f"A signed chunk of a forwarded body has {MAX_CHUNK} bytes at most.")
        if self._size == 0 and self._trailer:
            self._state = _State.TRAILER
            return self._signed(b"") + b"\r\n"
        self._state = _State.DATA
        return b""

    def _data(self) -> bytes | None:
        if len(self._buffer) < self._size + 2:
            return None
        data = bytes(self._buffer[: self._size])
        if not self._buffer.startswith(b"\r\n", self._size):
            raise IncompleteBody(_TERMINATED)
        del self._buffer[: self._size + 2]
        head = self._signed(data)
        self._state = _State.HEAD if self._size else _State.END
        return b"%b\r\n%b\r\n" % (head, data)

    def _signed(self, data: bytes) -> bytes:
        data_hash = sha256(data).hexdigest()
        _check(self._incoming.of_chunk(data_hash), self._claimed)
        return b"%b;chunk-signature=%b" % (self._size_text, self._outgoing.of_chunk(data_hash).encode())

    def _trailer_line(self) -> bytes | None:
        line = self._line()
        if line is None:
            return None
        if line.lower().startswith(_TRAILER_SIGNATURE):
            return self._signed_trailer(line)
        if not line:
            raise MalformedTrailerError(_TRAILER)
        if sum(map(len, self._trailers)) > _MAX_LINE:
            raise MalformedTrailerError(_TRAILER)
        self._trailers.append(line)
        return b""

    def _signed_trailer(self, line: bytes) -> bytes | None:
        if len(self._buffer) < 2:
            self._buffer[:0] = line + b"\r\n"
            return None
        if not self._buffer.startswith(b"\r\n"):
            raise MalformedTrailerError(_TRAILER)
        del self._buffer[:2]
        text = b"".join(_canonical(each) for each in sorted(self._trailers))
        trailer_hash = sha256(text).hexdigest()
        head, colon, value = line.partition(b":")
        claimed = value.strip()
        _check(self._incoming.of_trailer(trailer_hash), claimed.decode("latin-1"))
        self._state = _State.END
        signed = value.replace(claimed, self._outgoing.of_trailer(trailer_hash).encode())
        lines = b"".join(each + b"\r\n" for each in self._trailers)
        return b"%b%b%b%b\r\n\r\n" % (lines, head, colon, signed)


def _canonical(line: bytes) -> bytes:
    name, _, value = line.partition(b":")
    return b"%b:%b\n" % (name.strip().lower(), value.strip())


def _check(expected: str, claimed: str) -> None:
    if not hmac.compare_digest(expected.encode(), claimed.encode()):
        raise SignatureDoesNotMatch(_MISMATCH)
