"""Smithy RPC v2 CBOR (https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.cbor_body import CborScalars, decode_cbor, encode_cbor
from roadstead.gateway.protocols.codec import Failure, Params
from roadstead.gateway.protocols.compiler import PerModel
from roadstead.gateway.protocols.content import body_of
from roadstead.gateway.protocols.errors import SerializationException
from roadstead.gateway.protocols.json_body import within_depth
from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse
from roadstead.gateway.protocols.modeled_errors import resolve_error
from roadstead.gateway.protocols.query_compatible import query_error_header, shape_namespace
from roadstead.gateway.protocols.tree import TreeParser, TreeWriter

_PROTOCOL = ("smithy-protocol", "rpc-v2-cbor")
_CONTENT_TYPE = ("Content-Type", "application/cbor")


class CborCodec:
    """Answers in `application/cbor`."""

    family = "cbor"

    def __init__(self, *, query_errors: bool = False) -> None:
        self._query_errors = query_errors
        scalars = CborScalars()
        self._parsers: PerModel[ServiceModel, TreeParser] = PerModel(lambda _service: TreeParser(scalars))
        self._writers: PerModel[ServiceModel, TreeWriter] = PerModel(lambda _service: TreeWriter(scalars))

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Params:
        """The members of the CBOR map in the body; an empty body is an empty map."""
        document = decode_cbor(body_of(request))
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise SerializationException("The body is not a CBOR map")
        shape = operation.input_shape
        if shape is None:
            return {}
        parse = self._parsers(operation.service_model).compile(shape)
        return cast("Params", within_depth(parse, cast("object", document)))

    def serialize_response(
        self, operation: OperationModel, result: Mapping[str, object], request_id: str
    ) -> HttpResponse:
        """The result as a CBOR map; an operation without output has an empty body."""
        shape = operation.output_shape
        headers = (_PROTOCOL, ("x-amzn-RequestId", request_id))
        if shape is None:
            return HttpResponse(200, headers)
        body = encode_cbor(self._writers(operation.service_model).compile(shape)(result))
        return HttpResponse(200, (_CONTENT_TYPE, *headers), body)

    def serialize_error(self, service: ServiceModel | None, failure: Failure, request_id: str) -> HttpResponse:
        """`{"__type": NAMESPACE#CODE, "message": ...}` and the exception's members."""
        error = resolve_error(service, self.family, failure)
        body: dict[str, object] = {"__type": shape_namespace(service, error.shape) + error.name}
        if service is not None and error.shape is not None:
            body.update(cast("Mapping[str, object]", self._writers(service).compile(error.shape)(failure.members)))
        else:
            body.update(failure.members)
        body[error.message_member or "message"] = failure.message
        headers = (_CONTENT_TYPE, _PROTOCOL, ("x-amzn-RequestId", request_id))
        if self._query_errors:
            headers += query_error_header(error)
        return HttpResponse(error.status, headers, encode_cbor(body))
