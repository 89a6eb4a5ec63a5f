"""Events in CloudTrail's form.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

VERSION = "1.11"
API_CALL = "AwsApiCall"
SERVICE_EVENT = "AwsServiceEvent"
OWN_SOURCE = "roadstead.amazonaws.com"
"""Where events come from that are about the trail itself."""

MAX_FIELD_BYTES = 100_000
"""Of `requestParameters` and `responseElements`; longer ones are left out, and the event says so."""
MAX_TEXT = 1024
"""Characters of `userAgent`, `errorMessage` and other texts that a caller decides on."""


class EventResource(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A resource that an event is about."""

    arn: str = msgspec.field(name="ARN")
    account_id: str = msgspec.field(name="accountId", default="")
    type: str = ""


class MissedStatement(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """A statement that names the action and did not apply. `actual` is what the request had of the failed condition's key."""

    policy_type: str
    policy: str
    statement: str
    obstacle: str
    operator: str = ""
    key: str = ""
    wanted: tuple[str, ...] = ()
    actual: tuple[str, ...] = ()


class RecordedStatement(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """What the statement says that denied."""

    effect: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


class RecordedDecision(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """One action on one resource, and what decided.

    `policy` is an inline policy's name or a managed one's ARN, `statement` its Sid or `Statement[index]`. For a denial, `context` holds
    the condition keys of the request.
    """

    action: str
    resource: str
    decision: str
    policy_type: str = ""
    policy: str = ""
    statement: str = ""
    says: RecordedStatement | None = None
    missed: tuple[MissedStatement, ...] = ()
    context: dict[str, str | Sequence[str]] = {}


class AdditionalData(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """What CloudTrail has no field for: the decisions that were made for the request, in their order."""

    authorization: tuple[RecordedDecision, ...] = ()


class Event(msgspec.Struct, omit_defaults=True, rename="camel", gc=False, kw_only=True):
    """One event, with its members in the order in which they are written."""

    event_version: str
    user_identity: msgspec.Raw
    event_time: str
    event_source: str
    event_name: str
    aws_region: str
    source_ip: str = msgspec.field(name="sourceIPAddress")
    user_agent: str
    error_code: str = ""
    error_message: str = ""
    request_parameters: msgspec.Raw | None
    response_elements: msgspec.Raw | None
    additional_event_data: AdditionalData | None = None
    request_id: str = msgspec.field(name="requestID")
    event_id: str = msgspec.field(name="eventID")
    read_only: bool
    resources: tuple[EventResource, ...] = ()
    event_type: str
    service_event_details: dict[str, object] | None = None
    management_event: bool
    recipient_account_id: str
    event_category: str
