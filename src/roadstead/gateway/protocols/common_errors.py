"""The kernel's errors, which no service's model has, in the words of each protocol's services.

JSON services answer with exception names, query services with the common errors of
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html, EC2 with its own
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html), S3 with those of
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Wording(NamedTuple):
    """A code and the HTTP status that goes with it."""

    code: str
    status: int


_JSON = {
    "ServiceUnavailable": Wording("ServiceUnavailableException", 503),
}
_REST_JSON = _JSON | {
    "AccessDeniedException": Wording("AccessDeniedException", 403),
    "ThrottlingException": Wording("ThrottlingException", 429),
}
_QUERY = {
    "AccessDeniedException": Wording("AccessDenied", 403),
    "ThrottlingException": Wording("Throttling", 400),
}
_EC2 = {
    "AccessDeniedException": Wording("UnauthorizedOperation", 403),
    "InternalFailure": Wording("InternalError", 500),
    "ServiceUnavailable": Wording("Unavailable", 503),
    "ThrottlingException": Wording("RequestLimitExceeded", 503),
}

_REST_XML = {
    "AccessDeniedException": Wording("AccessDenied", 403),
    "InternalFailure": Wording("InternalError", 500),
    "ThrottlingException": Wording("SlowDown", 503),
}

_FAMILIES = MappingProxyType(
    {"json": _JSON, "cbor": _JSON, "rest-json": _REST_JSON, "rest-xml": _REST_XML, "query": _QUERY, "ec2": _EC2}
)


def in_family(family: str, code: str, status: int) -> Wording:
    """The code and status that services of a protocol family use for an error of ours; others come back as they are."""
    return _FAMILIES[family].get(code) or Wording(code, status)
