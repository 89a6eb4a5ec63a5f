"""What containerd says when a pull failed, for whether the same pull may succeed later.

Its transfer service answers UNKNOWN with Go's words for whatever the registry or the way to it did: core/remotes/docker/resolver.go
(`failed to do request`), core/remotes/errors (`unexpected status from`) and core/content/helpers.go (`short read`).
"""

from __future__ import annotations

import re

_STATUS = re.compile(r"unexpected status from [A-Z]+ request to \S+: (\d+)")
_PASSING = frozenset({408, 429, *range(500, 600)})
_WAY = re.compile(
    r"connection refused|connection reset by peer|connection timed out|broken pipe|no route to host|host is down|network is unreachable"
    r"|i/o timeout|timeout awaiting response headers|TLS handshake timeout|server closed idle connection|use of closed network connection"
    r"|transport connection broken|client connection lost|GOAWAY|stream error: stream ID|\bEOF$"
)
_OF_THE_IMAGE = ("failed to extract layer", "failed commit on ref")
"""Of bytes that are all here and wrong: a layer that ends too early is an "unexpected EOF" as well."""


def is_passing(message: str) -> bool:
    """Whether a pull failed because the registry was away, broke off, or answered 408, 429 or 5xx."""
    if any(each in message for each in _OF_THE_IMAGE):
        return False
    if (answered := _STATUS.search(message)) is not None:
        return int(answered[1]) in _PASSING
    return _WAY.search(message) is not None
