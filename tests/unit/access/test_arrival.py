"""What a connection says of itself."""

from __future__ import annotations

import pytest

from roadstead.access.arrival import NOWHERE, Arrival, arrival_of

HEADERS = [
    (b"host", b"h"),
    (b"user-agent", b"curl/8"),
    (b"referer", b"http://a"),
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"x-forwarded-proto", b"https"),
]


@pytest.mark.parametrize(
    ("scope", "arrival"),
    [
        ({"client": ("192.0.2.1", 5), "scheme": "http", "headers": []}, Arrival("192.0.2.1")),
        ({"client": ("::ffff:192.0.2.1", 5), "scheme": "wss", "headers": []}, Arrival("192.0.2.1", secure=True)),
        ({"client": ("fe80::1%eth0", 5), "scheme": "https", "headers": []}, Arrival("fe80::1", secure=True)),
        ({"client": ("::1", 5), "headers": HEADERS}, Arrival("::1", "curl/8", "http://a")),
        ({"client": None, "headers": []}, NOWHERE),
        ({"headers": []}, NOWHERE),
    ],
)
def test_an_asgi_scope(scope: dict[str, object], arrival: Arrival) -> None:
    assert arrival_of(scope) == arrival


def test_keys_are_left_out_where_nothing_is_known() -> None:
    assert NOWHERE.keys() == {"aws:SecureTransport": "false"}
    assert Arrival("::1", "a", "b", secure=True, region="us-east-1").keys() == {
        "aws:SecureTransport": "true",
        "aws:SourceIp": "::1",
        "aws:UserAgent": "a",
        "aws:Referer": "b",
        "aws:RequestedRegion": "us-east-1",
    }
