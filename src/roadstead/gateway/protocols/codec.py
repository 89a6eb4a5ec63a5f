"""What every protocol offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse
from roadstead.kernel.errors import ServiceError

Params: TypeAlias = dict[str, object]
Fault: TypeAlias = Literal["Sender", "Receiver"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that is answered: an exception's shape name or its error code, HTTP status, message, and further members of the exception's shape."""

    code: str
    status: int
    message: str
    members: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def of(cls, error: ServiceError) -> Failure:
        """A service's error."""
        return cls(error.error_code, error.status, error.message, error.members)


class Codec(Protocol):
    """One protocol. A codec has no state but caches of what it compiled, and is safe to share."""

    @property
    def family(self) -> str:
        """`json`, `rest-json`, `rest-xml`, `query`, `ec2` or `cbor`: which words errors are in."""
        ...

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Params:
        """The operation's parameters by the model's member names.

        Blobs are bytes, timestamps aware datetimes in UTC, integers exact; what the model does not name is ignored.
        Raises a ProtocolError (SerializationException, MalformedInput, ...) for what is not well formed or of another
        type than the model says. Constraints are validate.py's to check.
        """
        ...

    def serialize_response(
        self, operation: OperationModel, result: Mapping[str, object], request_id: str
    ) -> HttpResponse:
        """The answer to a successful call; None members are left out.

        Raises UnserialisableResult when `result` is not of the model's shape, which is a fault of ours.
        """
        ...

    def serialize_error(self, service: ServiceModel | None, failure: Failure, request_id: str) -> HttpResponse:
        """An error as the service words it on this protocol.

        Where the model has the exception, its own code, status and fault count; otherwise the failure's status, and whom it blames.
        """
        ...
