"""What every protocol offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse

Params: TypeAlias = dict[str, object]
Fault: TypeAlias = Literal["Sender", "Receiver"]


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

    def serialize_error(
        self,
        service: ServiceModel | None,
        operation: OperationModel | None,
        *,
        code: str,
        message: str,
        members: Mapping[str, object],
        status: int,
        request_id: str,
        fault: Fault | None = None,
    ) -> HttpResponse:
        """An error as the service words it on this protocol.

        `code` is the exception's shape name or its error code. Where the model has that exception, its own code,
        status and fault count; `status` and `fault` (by default who the status blames) count otherwise.
        """
        ...
