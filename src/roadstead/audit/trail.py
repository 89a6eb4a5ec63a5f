"""The trail of a server: edges record events, which are gathered for a moment and written by a thread.

What may be lost, and how that is seen:
- a kill -9 loses what came in the last GATHER_SECONDS; the next start's `AuditTrailStarted` says that the last end was none in order;
- a loss of power loses SYNC_SECONDS more;
- while the disk is full events wait in memory; those beyond MAX_WAITING_BYTES are counted, and `AuditEventsLost` says how many.
Requests go on in any case.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
import structlog

from roadstead.access.decided import Decided
from roadstead.access.principal import Principal
from roadstead.audit.decisions import additional_data, resources_of
from roadstead.audit.event import (
    API_CALL,
    MAX_FIELD_BYTES,
    MAX_TEXT,
    OWN_SOURCE,
    SERVICE_EVENT,
    VERSION,
    AdditionalData,
    Event,
    EventResource,
)
from roadstead.audit.identity import SERVICE, UserIdentities
from roadstead.audit.segments import SegmentFiles, last_line, segments
from roadstead.audit.settings import TrailSettings
from roadstead.audit.writer import Writer

GATHER_SECONDS = 0.05
MAX_WAITING_BYTES = 16 * 1024 * 1024
UNSIGNED_A_SECOND = 100
"""Requests of nobody that are recorded; the rest is counted: a flood of them would push the others out of a bounded trail."""
_END_SECONDS = 3.0
STARTED, ENDED, LOST, LEFT_OUT = "AuditTrailStarted", "AuditTrailEnded", "AuditEventsLost", "UnsignedRequestsLeftOut"
_log = structlog.get_logger("audit")


@dataclass(frozen=True, slots=True)
class Recurring:
    """An event that is recorded again and again: its JSON, without what is new each time."""

    before_time: bytes
    before_request_id: bytes
    before_event_id: bytes
    after: bytes


class Trail:
    """Entering it begins to write; leaving it writes all that was recorded. For the event loop's thread.

    With a bound of 0 in its settings it records nothing.
    """

    def __init__(self, settings: TrailSettings) -> None:
        self._settings = settings
        self._writer = Writer(
            SegmentFiles(
                settings.folder,
                segment_bytes=min(settings.segment_bytes, settings.kept_bytes),
                kept_bytes=settings.kept_bytes,
            )
        )
        self._identities = UserIdentities()
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        random = secrets.token_hex(8)
        self._event_ids = (
            f"{random[:8]}-{random[8:12]}-4{random[12:15]}-{secrets.choice('89ab')}{secrets.token_hex(2)[:3]}-"
        )
        self._second = 0
        self._time = ""
        self._unsigned = 0
        self._left_out_told = 0
        self._lost_told = 0
        self.recorded = 0
        """Events since the start."""
        self.lost = 0
        """Events for which no room was left."""
        self.left_out = 0
        """Requests of nobody beyond UNSIGNED_A_SECOND."""

    @property
    def waiting(self) -> int:
        """Bytes that are not in a file yet."""
        return len(self._buffer) + self._writer.pending

    @property
    def failures(self) -> int:
        """Attempts to write that failed."""
        return self._writer.failures

    async def __aenter__(self) -> Self:
        if self._settings.kept_bytes:
            self._running = True
            in_order = await asyncio.to_thread(self._ended_in_order)
            self._writer.start()
            self._own(STARTED, {"previousEnd": "none" if in_order is None else "in order" if in_order else "unclean"})
            self._hand_over()
        else:
            _log.warning("no audit trail is kept: the deployment's settings say so")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running:
            self._tell()
            self._own(ENDED, {"events": self.recorded})
            self._hand_over()
            self._running = False
            if not await asyncio.to_thread(self._writer.end, _END_SECONDS):
                _log.error("audit events are lost at the end", bytes=self._writer.pending)

    def record(
        self,
        *,
        source: str,
        name: str,
        region: str,
        principal: Principal | None,
        arn: str,
        claimed_key: str,
        source_ip: str,
        user_agent: str,
        request_id: str,
        read_only: bool,
        account: str,
        parameters: object | None = None,
        response: object | None = None,
        error_code: str = "",
        error_message: str = "",
        decisions: Sequence[Decided] = (),
        resources: Sequence[EventResource] = (),
    ) -> Event | None:
        """Record a call of `source` (`ecs`); returns the event. Whatever is secret in `parameters` and `response` is hidden already.

        `principal` is None for a caller whose signature did not hold, `arn` that of the principal; `account` is
        whose trail it is. Account and region are the deployment's own where nobody is known.
        """
        if not self._running:
            return None
        self._tick(int(time.time()))
        if principal is None:
            self._unsigned += 1
            if self._unsigned > UNSIGNED_A_SECOND:
                self.left_out += 1
                return None
            identity = self._identities.unknown(claimed_key)
        else:
            identity = self._identities.of(principal, arn)
        return self._append(
            identity,
            f"{source}.amazonaws.com",
            name,
            region or self._settings.region,
            source_ip,
            user_agent[:MAX_TEXT],
            request_id,
            account or self._settings.account,
            read_only=read_only,
            parameters=self._bounded(parameters) if parameters else None,
            response=self._bounded(response) if response else None,
            error_code=error_code,
            error_message=error_message[:MAX_TEXT],
            additional=additional_data(decisions) if decisions else None,
            resources=tuple(resources) or (resources_of(decisions) if decisions else ()),
        )

    def recurring(self, event: Event) -> Recurring:
        """An event as `record_again` takes it."""
        time_mark, request_mark, event_mark = (secrets.token_hex(16) for _ in range(3))
        marked = msgspec.structs.replace(event, event_time=time_mark, request_id=request_mark, event_id=event_mark)
        before_time, _, rest = self._encoder.encode(marked).partition(time_mark.encode())
        before_request_id, _, rest = rest.partition(request_mark.encode())
        before_event_id, _, after = rest.partition(event_mark.encode())
        return Recurring(before_time, before_request_id, before_event_id, after + b"\n")

    def record_again(self, event: Recurring, request_id: str) -> None:
        """Record the like of an earlier event, of now and of another request."""
        if not self._running:
            return
        self._tick(int(time.time()))
        self.recorded += 1
        if not self._has_room():
            return
        self._buffer += b"".join(
            (
                event.before_time,
                self._time.encode(),
                event.before_request_id,
                request_id.encode(),
                event.before_event_id,
                self._event_id().encode(),
                event.after,
            )
        )
        self._hand_over_soon()

    def _append(
        self,
        identity: msgspec.Raw,
        source: str,
        name: str,
        region: str,
        source_ip: str,
        user_agent: str,
        request_id: str,
        account: str,
        *,
        read_only: bool,
        parameters: msgspec.Raw | None = None,
        response: msgspec.Raw | None = None,
        error_code: str = "",
        error_message: str = "",
        additional: AdditionalData | None = None,
        resources: tuple[EventResource, ...] = (),
        event_type: str = API_CALL,
        details: dict[str, object] | None = None,
    ) -> Event:
        self.recorded += 1
        event = Event(
            event_version=VERSION,
            user_identity=identity,
            event_time=self._time,
            event_source=source,
            event_name=name,
            aws_region=region,
            source_ip=source_ip,
            user_agent=user_agent,
            error_code=error_code,
            error_message=error_message,
            request_parameters=parameters,
            response_elements=response,
            additional_event_data=additional,
            request_id=request_id,
            event_id=self._event_id(),
            read_only=read_only,
            resources=resources,
            event_type=event_type,
            service_event_details=details,
            management_event=True,
            recipient_account_id=account,
            event_category="Management",
        )
        if not self._has_room():
            return event
        buffer = self._buffer
        size = len(buffer)
        try:
            self._encoder.encode_into(event, buffer, -1)
        except (TypeError, ValueError, OverflowError):
            del buffer[size:]
            self.lost += 1
            _log.exception("an event can't be encoded", request_id=request_id, name=name)
            return event
        buffer += b"\n"
        self._hand_over_soon()
        return event

    def _event_id(self) -> str:
        return f"{self._event_ids}{self.recorded:012x}"

    def _has_room(self) -> bool:
        """Whether another event may wait; one that may not is counted."""
        if len(self._buffer) + self._writer.pending <= MAX_WAITING_BYTES:
            return True
        self.lost += 1
        return False

    def _hand_over_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._hand_over)

    def _bounded(self, value: object) -> msgspec.Raw:
        try:
            encoded = self._encoder.encode(value)
        except (TypeError, ValueError, OverflowError) as error:
            encoded = self._encoder.encode({"omitted": True, "reason": f"it is no JSON: {error}"})
        if len(encoded) > MAX_FIELD_BYTES:
            told = {
                "omitted": True,
                "originalSize": len(encoded),
                "reason": "the field is longer than an event may have",
            }
            encoded = self._encoder.encode(told)
        return msgspec.Raw(encoded)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell()
        if self._buffer:
            batch, self._buffer = bytes(self._buffer), bytearray()
            self._writer.write(batch)

    def _tick(self, now: int) -> None:
        """The time of events that come from now on; a new second has a new allowance of unsigned requests."""
        if now == self._second:
            return
        self._second, self._unsigned = now, 0
        self._time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))

    def _tell(self) -> None:
        """Say in the trail what is missing from it, as soon as there is room."""
        if self.lost > self._lost_told and self.waiting < MAX_WAITING_BYTES // 2:
            lost, self._lost_told = self.lost - self._lost_told, self.lost
            self._own(LOST, {"events": lost})
        if self.left_out > self._left_out_told:
            left_out, self._left_out_told = self.left_out - self._left_out_told, self.left_out
            self._own(LEFT_OUT, {"requests": left_out})

    def _own(self, name: str, details: dict[str, object]) -> None:
        self._tick(int(time.time()))
        self._append(
            SERVICE,
            OWN_SOURCE,
            name,
            self._settings.region,
            OWN_SOURCE,
            OWN_SOURCE,
            "",
            self._settings.account,
            read_only=False,
            event_type=SERVICE_EVENT,
            details={**details, "server": self._settings.server},
        )

    def _ended_in_order(self) -> bool | None:
        """Whether the last event of the files is the end of a trail; None where there are no files."""
        known = segments(self._settings.folder)
        lines = [line for each in reversed(known[-2:]) if (line := last_line(each.path))]
        return None if not known else bool(lines) and f'"eventName":"{ENDED}"'.encode() in lines[0]
