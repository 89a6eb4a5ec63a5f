"""AWS JSON 1.0 and 1.1 (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.codec import Failure, Params
from roadstead.gateway.protocols.compiler import PerModel
from roadstead.gateway.protocols.content import body_of
from roadstead.gateway.protocols.errors import SerializationException
from roadstead.gateway.protocols.json_body import decode_json, encode_json, within_depth
from roadstead.gateway.protocols.json_scalars import JsonScalars
from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse
from roadstead.gateway.protocols.modeled_errors import resolve_error
from roadstead.gateway.protocols.query_compatible import query_error_header, shape_namespace
from roadstead.gateway.protocols.tree import Convert, TreeParser, TreeWriter


class JsonCodec:
    """Answers in `application/x-amz-json-{version}`."""

    family = "json"

    def __init__(self, version: str, *, query_errors: bool = False) -> None:
        self._content_type = ("Content-Type", f"application/x-amz-json-{version}")
        self._query_errors = query_errors
        scalars = JsonScalars()
        self._parsers: PerModel[ServiceModel, TreeParser] = PerModel(lambda _service: TreeParser(scalars))
        self._writers: PerModel[ServiceModel, TreeWriter] = PerModel(lambda _service: TreeWriter(scalars))
        self._inputs: PerModel[OperationModel, Convert | None] = PerModel(self._compile_input)
        self._outputs: PerModel[OperationModel, Convert] = PerModel(self._compile_output)

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Params:
        """The members of the JSON object in the body; an empty body is an empty object."""
        document = decode_json(body_of(request))
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise SerializationException("The body is not a JSON object")
        parse = self._inputs(operation)
        return {} if parse is None else cast("Params", within_depth(parse, cast("object", document)))

    def serialize_response(
        self, operation: OperationModel, result: Mapping[str, object], request_id: str
    ) -> HttpResponse:
        """The result as a JSON object; an operation without output has an empty body."""
        body = b"" if operation.output_shape is None else encode_json(self._outputs(operation)(result))
        return HttpResponse(200, (self._content_type, ("x-amzn-RequestId", request_id)), body)

    def serialize_error(self, service: ServiceModel | None, failure: Failure, request_id: str) -> HttpResponse:
        """`{"__type": CODE, "message": ...}` and the exception's members."""
        error = resolve_error(service, self.family, failure)
        body: dict[str, object] = {"__type": shape_namespace(service, error.shape) + error.name}
        if service is not None and error.shape is not None:
            body.update(cast("dict[str, object]", self._writers(service).compile(error.shape)(failure.members)))
        else:
            body.update(failure.members)
        body[error.message_member or "message"] = failure.message
        headers = (self._content_type, ("x-amzn-RequestId", request_id))
        if self._query_errors:
            headers += query_error_header(error)
        return HttpResponse(error.status, headers, encode_json(body))

    def _compile_input(self, operation: OperationModel) -> Convert | None:
        shape = operation.input_shape
        return None if shape is None else self._parsers(operation.service_model).compile(shape)

    def _compile_output(self, operation: OperationModel) -> Convert:
        shape = operation.output_shape
        if shape is None:
            return lambda value: value
        return self._writers(operation.service_model).compile(shape)
