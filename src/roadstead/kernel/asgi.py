"""What the scopes of our server have beside ASGI's: short ways for requests and answers that are whole and small.

By the standard's messages, a body that is here already is still waited for under a timer, and an answer takes two steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

BODY_AT_HAND = "roadstead.body_at_hand"
"""Where the scope of a request has a `BodyAtHand`."""
BodyAtHand = Callable[[], bytes | None]
"""Takes the body, if it is here to its end; else None, and it is received by messages."""

ANSWER = "roadstead.answer"
"""Where the scope of a request has an `Answer`."""
Answer = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], Awaitable[None]]
"""Sends a whole answer: its status, its headers, `content-length` among them, and the body, which to HEAD does not go out."""
