"""A request for an upstream: its head, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from roadstead.access.arrival import Arrival
from roadstead.gateway.forwarding.bodies import Receive
from roadstead.gateway.forwarding.relay import Send
from roadstead.gateway.protocols.uri import query_pairs

_AUTHENTICATION = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)


@dataclass(frozen=True, slots=True)
class Head:
    """Method, raw path and query, headers by their names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def host(self) -> str:
        """The Host header."""
        return self.headers.get("host", "")

    @property
    def presigned(self) -> bool:
        """Whether the signature is in the query."""
        return "authorization" not in self.headers and "X-Amz-Algorithm=" in self.query

    @property
    def length(self) -> int | None:
        """The length that the body is said to have: 0 without one, None where that is left open."""
        said = self.headers.get("content-length")
        if said is not None and said.isdecimal():
            return int(said)
        return None if "transfer-encoding" in self.headers else 0

    def pairs(self) -> list[tuple[str, str]]:
        """The query's names and values, in order, without those of a presigned URL's signature."""
        return [(name, value) for name, value in query_pairs(self.query) if name.lower() not in _AUTHENTICATION]

    def parameters(self) -> dict[str, str]:
        """The same by name, the last value of each."""
        return dict(self.pairs())


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in, and the way back to whoever sent it; `take` is called before bytes are kept, and raises TooManyBodies."""

    head: Head
    request_id: str
    arrival: Arrival
    receive: Receive
    send: Send
    take: Callable[[int], None]


def encoded_query(pairs: Iterable[tuple[str, str]]) -> str:
    """A query string by RFC 3986; a parameter without a value has no equals sign."""
    encoded = ((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" if value else name for name, value in encoded)
