from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.wire.relayed import MAX_BYTES, SIGNATURE, BadRelayHeader, read_relay_header, relay_header

KEY = b"k" * 32
HEADER = relay_header(peer=("172.31.0.4", 4711), local=("169.254.170.3", 4566), vpc="vpc-0a1b", host="h-1", key=KEY)


def test_what_is_said_is_read() -> None:
    found = read_relay_header(HEADER + b"GET / HTTP/1.1\r\n")
    assert found is not None
    assert (found.address, found.port, found.vpc, found.host) == ("172.31.0.4", 4711, "vpc-0a1b", "h-1")
    assert found.size == len(HEADER)
    assert found.is_by(KEY)
    assert not found.is_by(b"x" * 32)


@pytest.mark.parametrize("size", range(len(HEADER)))
def test_a_part_of_it_is_waited_for(size: int) -> None:
    assert read_relay_header(HEADER[:size]) is None


@given(st.integers(len(SIGNATURE), len(HEADER) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    forged = HEADER[:at] + bytes([HEADER[at] ^ change]) + HEADER[at + 1 :] + bytes(MAX_BYTES)
    try:
        found = read_relay_header(forged)
    except BadRelayHeader:
        return
    assert found is not None
    assert not found.is_by(KEY)


@given(st.binary(max_size=MAX_BYTES))
def test_anything_after_the_signature_is_a_header_or_none(rest: bytes) -> None:
    try:
        found = read_relay_header(SIGNATURE + rest)
    except BadRelayHeader:
        return
    assert found is None or not found.is_by(KEY)
