"""Which members of a message are written: what says something. None and what is empty stay out."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def written(default: T) -> T:
    """A default for messages that lack the member, which is written all the same by a struct with `omit_defaults`.

    Amazon's agent takes an absent member for Go's zero: a desired status of NONE, a restart without a pause, a nil pointer that it follows.
    None and the empty text, list and map have plain defaults, and are never written: where absent is not the same as empty (`overrides`,
    `dockerConfig.config`, an interface's `name`), it is the empty one that the agent refuses. msgspec omits a default that it can compare,
    and the result of a factory is none.
    """
    return msgspec.field(default_factory=lambda: default)
