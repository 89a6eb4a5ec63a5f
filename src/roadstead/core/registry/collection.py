"""Which blobs of a repository may go.

A client that pushes asks first which blobs are there, sends the others, and names them all in a manifest at the end. So a blob that no image
consists of has to stay as long as somebody may still be between the first step and the last: since they were told of it, or since the
beginning of the uploads that they made meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from roadstead.kernel.settings import DEFAULT_GC_GRACE

DEFAULT_GRACE = timedelta(seconds=DEFAULT_GC_GRACE)
"""How long a blob that nothing refers to is kept."""


@dataclass(frozen=True, slots=True)
class Released:
    """A blob that no image consists of, and when somebody was last told that it is here."""

    digest: str
    at: datetime


def refresh_after(grace: timedelta) -> timedelta:
    """How old the note that somebody was told of a blob may get, before telling somebody else is noted too.

    So that a thousand clients which ask for one blob write once.
    """
    return grace / 4


def needs_refresh(released_at: datetime | None, now: datetime, grace: timedelta) -> bool:
    """Whether telling somebody at `now` that a blob is here has to be noted. A note from the future, by a clock that was wrong, is kept."""
    return released_at is not None and now - released_at > refresh_after(grace)


def counts_after(now: datetime, grace: timedelta) -> datetime:
    """An upload to the repository counts while it goes on, and where it ended after this time."""
    return now - grace


def horizon(now: datetime, oldest: datetime | None, grace: timedelta) -> datetime:
    """Blobs that were released before this time may go; `oldest` is when the oldest upload that counts began, None where there is none.

    Whoever was told of a blob has it for `grace` at least; and, as long as they upload to the repository without a pause of `grace`
    after that, from `grace` before each such upload began.
    """
    return (now if oldest is None else min(now, oldest)) - grace - refresh_after(grace)


def collectable(released: Iterable[Released], oldest: datetime | None, now: datetime, grace: timedelta) -> list[str]:
    """The digests of those that may go; for `oldest` see `horizon`."""
    before = horizon(now, oldest, grace)
    return [each.digest for each in released if each.at < before]
