"""Reading a trail: its last events, those that are written from now on, and the one of a request."""

from __future__ import annotations

import fnmatch
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roadstead.audit.event import AdditionalData, EventResource
from roadstead.audit.segments import Segment, segments


class ReadIdentity(msgspec.Struct, frozen=True, rename="camel"):
    """What is shown of a `userIdentity`."""

    type: str = ""
    arn: str = ""
    account_id: str = ""
    access_key_id: str = ""
    user_name: str = ""
    invoked_by: str = ""


class ReadEvent(msgspec.Struct, frozen=True, rename="camel"):
    """What is shown and asked of an event."""

    event_time: str
    event_source: str
    event_name: str
    aws_region: str
    user_identity: ReadIdentity
    event_type: str = ""
    source_ip: str = msgspec.field(name="sourceIPAddress", default="")
    user_agent: str = ""
    error_code: str = ""
    error_message: str = ""
    request_id: str = msgspec.field(name="requestID", default="")
    read_only: bool = False
    recipient_account_id: str = ""
    resources: tuple[EventResource, ...] = ()
    additional_event_data: AdditionalData | None = None
    service_event_details: dict[str, object] | None = None

    @property
    def action(self) -> str:
        """`ecs:RunTask`."""
        return f"{self.event_source.removesuffix('.amazonaws.com')}:{self.event_name}"

    @property
    def denied(self) -> bool:
        """Whether a decision refused it."""
        data = self.additional_event_data
        return data is not None and any(each.decision != "allowed" for each in data.authorization)


_DECODER = msgspec.json.Decoder(ReadEvent)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for; what is None makes no difference, texts may have wildcards.

    `event` fits `RunTask` and `ecs:RunTask`; `principal` an ARN, a user's name or an access key; `since` is an event's time.
    """

    event: str | None = None
    principal: str | None = None
    account: str | None = None
    region: str | None = None
    resource: str | None = None
    error: str | None = None
    denied: bool = False
    changes: bool = False
    since: str | None = None

    def fits(self, event: ReadEvent) -> bool:
        """Whether the event is one of them."""
        who = event.user_identity
        return (
            (self.since is None or event.event_time >= self.since)
            and (self.event is None or _fits(self.event, event.event_name, event.action))
            and (self.principal is None or _fits(self.principal, who.arn, who.user_name, who.access_key_id))
            and (self.account is None or _fits(self.account, event.recipient_account_id, who.account_id))
            and (self.region is None or _fits(self.region, event.aws_region))
            and (self.resource is None or _fits(self.resource, *(each.arn for each in event.resources)))
            and (self.error is None or (event.error_code != "" and _fits(self.error, event.error_code)))
            and (not self.denied or event.denied)
            and not (self.changes and event.read_only)
        )


def _fits(pattern: str, *values: str) -> bool:
    return any(fnmatch.fnmatchcase(value.lower(), pattern.lower()) for value in values)


def decoded(line: bytes) -> ReadEvent | None:
    """The event of a line; None for what is none."""
    try:
        return _DECODER.decode(line)
    except msgspec.MsgspecError:
        return None


def last_events(folder: Path, wanted: Wanted, count: int) -> tuple[list[bytes], Position]:
    """The last `count` lines that are wanted, oldest first, and where the trail ended then."""
    known = segments(folder)
    position = Position(folder, None, 0)
    found: deque[bytes] = deque()
    for each in reversed(known):
        lines, end = _whole_lines(each.path, 0)
        if each is known[-1]:
            position = Position(folder, each, end)
        for line in reversed(lines):
            if len(found) >= count:
                return list(found), position
            event = decoded(line)
            if event is None:
                continue
            if wanted.since is not None and event.event_time < wanted.since:
                return list(found), position
            if wanted.fits(event):
                found.appendleft(line)
    return list(found), position


def event_of_request(folder: Path, request_id: str) -> bytes | None:
    """The line of a request; None when the trail has none, or none any more."""
    needle = b'"requestID":' + msgspec.json.encode(request_id)
    for each in reversed(segments(folder)):
        content = _content(each.path, 0)
        at = content.rfind(needle)
        if at >= 0:
            start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
            return content[start : end if end >= 0 else None]
    return None


@dataclass(slots=True)
class Position:
    """A place in a trail that is being followed."""

    folder: Path
    segment: Segment | None
    offset: int

    def more(self) -> list[bytes]:
        """The whole lines that were written since, across the ends of files."""
        found: list[bytes] = []
        known = segments(self.folder)
        if self.segment is not None:
            lines, self.offset = _whole_lines(self.segment.path, self.offset)
            found += lines
        number = self.segment.number if self.segment is not None else 0
        for each in known:
            if each.number > number:
                lines, self.offset = _whole_lines(each.path, 0)
                self.segment = each
                found += lines
        return found


def followed(position: Position, pause: Callable[[], None]) -> Iterator[bytes]:
    """Every line from now on; `pause` waits between two looks."""
    while True:
        yield from position.more()
        pause()


def _content(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:  # it was the oldest, and its time came
        return b""


def _whole_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """The whole lines behind `offset`, and where they end."""
    content = _content(path, offset)
    end = content.rfind(b"\n") + 1
    return content[:end].splitlines(), offset + end


def is_readable(folder: Path) -> bool:
    """Whether this user may read the trail, if there is one."""
    return not folder.exists() or os.access(folder, os.R_OK | os.X_OK)
