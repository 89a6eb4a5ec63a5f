"""Errors as S3 words them: a bare `<Error>`, without the wrapper of the query services.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from collections.abc import Mapping

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.codec import Failure, Params
from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse
from roadstead.gateway.protocols.modeled_errors import resolve_error
from roadstead.gateway.protocols.xml_writer import escape
from roadstead.kernel.errors import NotImplementedByRoadstead


class S3Codec:
    """REST-XML as far as it is spoken here: errors. Requests are somebody else's to answer, so they are never parsed."""

    family = "rest-xml"

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Params:
        """Raises NotImplementedByRoadstead."""
        raise _not_spoken(operation)

    def serialize_response(
        self, operation: OperationModel, result: Mapping[str, object], request_id: str
    ) -> HttpResponse:
        """Raises NotImplementedByRoadstead."""
        raise _not_spoken(operation)

    def serialize_error(self, service: ServiceModel | None, failure: Failure, request_id: str) -> HttpResponse:
        """`<Error><Code/><Message/>`, the members (`Resource`, `HeadersNotSigned`) and the request's id."""
        error = resolve_error(service, self.family, failure)
        out = [
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error>',
            f"<Code>{escape(error.name)}</Code><Message>{escape(failure.message)}</Message>",
            *(f"<{name}>{escape(str(value))}</{name}>" for name, value in failure.members.items()),
            f"<RequestId>{escape(request_id)}</RequestId></Error>",
        ]
        headers = (("Content-Type", "application/xml"), ("x-amz-request-id", request_id))
        return HttpResponse(error.status, headers, "".join(out).encode("utf-8"))


def _not_spoken(operation: OperationModel) -> NotImplementedByRoadstead:
    return NotImplementedByRoadstead(f"{operation.name} speaks REST-XML, which Roadstead passes on and does not parse.")
