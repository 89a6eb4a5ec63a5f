"""REST JSON (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html): EKS, Inspector, Scheduler, our Pod Identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.codec import Failure, Params
from roadstead.gateway.protocols.compiler import PerModel
from roadstead.gateway.protocols.json_body import encode_json
from roadstead.gateway.protocols.json_scalars import JsonScalars
from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse
from roadstead.gateway.protocols.modeled_errors import resolve_error
from roadstead.gateway.protocols.rest_request import Step, compile_request
from roadstead.gateway.protocols.rest_response import ResponsePlan, compile_response
from roadstead.gateway.protocols.tree import TreeParser, TreeWriter

_JSON = ("Content-Type", "application/json")


class RestJsonCodec:
    """Parameters in path, query string, headers and a JSON body."""

    family = "rest-json"

    def __init__(self) -> None:
        scalars = JsonScalars()
        self._parsers: PerModel[ServiceModel, TreeParser] = PerModel(lambda _service: TreeParser(scalars))
        self._writers: PerModel[ServiceModel, TreeWriter] = PerModel(lambda _service: TreeWriter(scalars))
        self._inputs: PerModel[OperationModel, tuple[Step, ...]] = PerModel(self._compile_input)
        self._outputs: PerModel[OperationModel, ResponsePlan] = PerModel(self._compile_output)

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Params:
        """The members from wherever the model binds them; raises SerializationException."""
        params: Params = {}
        for step in self._inputs(operation):
            step(request, params)
        return params

    def serialize_response(
        self, operation: OperationModel, result: Mapping[str, object], request_id: str
    ) -> HttpResponse:
        """Headers, status and body as the model binds them."""
        status, headers, body = self._outputs(operation).write(result)
        default = cast("dict[str, int]", operation.http).get("responseCode", 200)
        return HttpResponse(status or default, (*headers, ("x-amzn-RequestId", request_id)), body)

    def serialize_error(self, service: ServiceModel | None, failure: Failure, request_id: str) -> HttpResponse:
        """`x-amzn-ErrorType: CODE`, and `{"message": ...}` with the exception's members."""
        error = resolve_error(service, self.family, failure)
        headers: tuple[tuple[str, str], ...] = (("x-amzn-ErrorType", error.name), ("x-amzn-RequestId", request_id))
        if service is None or error.shape is None:
            body = encode_json({**failure.members, "message": failure.message})
            return HttpResponse(error.status, (_JSON, *headers), body)
        carried = dict(failure.members)
        if error.message_member is not None:
            carried[error.message_member] = failure.message
        plan = compile_response(error.shape, self._writers(service))
        _, bound, body = plan.write(carried)
        return HttpResponse(error.status, (*bound, *headers), body)

    def _compile_input(self, operation: OperationModel) -> tuple[Step, ...]:
        return compile_request(operation, self._parsers(operation.service_model))

    def _compile_output(self, operation: OperationModel) -> ResponsePlan:
        return compile_response(operation.output_shape, self._writers(operation.service_model))
