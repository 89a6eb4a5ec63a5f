"""The query protocol (IAM, STS, Auto Scaling, load balancers, CloudWatch's older clients) and EC2's kind of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.codec import Failure, Params
from roadstead.gateway.protocols.compiler import PerModel, members_of, text_trait
from roadstead.gateway.protocols.errors import InvalidParameterValue, MalformedInput, ProtocolError, UnknownParameter
from roadstead.gateway.protocols.form import Branch, form_pairs, form_tree
from roadstead.gateway.protocols.form_parser import Ec2FormParser, FormParser, Read, unknown_names
from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse
from roadstead.gateway.protocols.modeled_errors import ResolvedError, resolve_error
from roadstead.gateway.protocols.xml_writer import Write, XmlWriter, escape

_CONTENT_TYPE = ("Content-Type", "text/xml;charset=utf-8")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class QueryCodec:
    """Form in, XML out, with the result in an element of its own."""

    family = "query"

    def __init__(self) -> None:
        self._parsers: PerModel[ServiceModel, FormParser] = PerModel(lambda _service: self.make_parser())
        self._writers: PerModel[ServiceModel, XmlWriter] = PerModel(lambda _service: XmlWriter())
        self._inputs: PerModel[OperationModel, Read | None] = PerModel(self._compile_input)
        self._outputs: PerModel[OperationModel, Write | None] = PerModel(self._compile_output)

    def make_parser(self) -> FormParser:
        """The compiler of request shapes."""
        return FormParser(_malformed_input)

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Params:
        """The parameters of the form; MalformedQueryString and MalformedInput for what is not well formed."""
        tree = form_tree(form_pairs(request))
        read = self._inputs(operation)
        if read is None:
            return {}
        self.check_names(operation, tree)
        return cast("Params", read(tree))

    def check_names(self, operation: OperationModel, tree: Branch) -> None:
        """Query services ignore parameters that they don't know."""

    def serialize_response(
        self, operation: OperationModel, result: Mapping[str, object], request_id: str
    ) -> HttpResponse:
        """`<OpResponse><OpResult>members</OpResult><ResponseMetadata>` with the request's id."""
        name = operation.name
        out = [f'<{name}Response xmlns="{_namespace(operation.service_model)}">']
        write = self._outputs(operation)
        if write is not None and operation.output_shape is not None:
            wrapper = text_trait(operation.output_shape, "resultWrapper") or f"{name}Result"
            out.append(f"<{wrapper}>")
            write(out, result)
            out.append(f"</{wrapper}>")
        out.append(f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata></{name}Response>")
        return _response(200, out, request_id)

    def serialize_error(self, service: ServiceModel | None, failure: Failure, request_id: str) -> HttpResponse:
        """`<ErrorResponse><Error><Type/><Code/><Message/>` and the exception's members."""
        error = resolve_error(service, self.family, failure)
        namespace = f' xmlns="{_namespace(service)}"' if service is not None else ""
        out = [
            f"<ErrorResponse{namespace}><Error><Type>{error.fault}</Type>",
            f"<Code>{escape(error.query_code)}</Code><Message>{escape(failure.message)}</Message>",
        ]
        self.write_members(out, service, error, failure.members)
        out.append(f"</Error><RequestId>{escape(request_id)}</RequestId></ErrorResponse>")
        return _response(error.status, out, request_id)

    def write_members(
        self, out: list[str], service: ServiceModel | None, error: ResolvedError, members: Mapping[str, object]
    ) -> None:
        """Writes what an exception of the model has beside its message."""
        if service is not None and error.shape is not None and members:
            self._writers(service).content_of(error.shape)(out, members)

    def _compile_input(self, operation: OperationModel) -> Read | None:
        shape = operation.input_shape
        return None if shape is None else self._parsers(operation.service_model).compile(shape)

    def _compile_output(self, operation: OperationModel) -> Write | None:
        shape = operation.output_shape
        return None if shape is None else self._writers(operation.service_model).content_of(shape)


class Ec2Codec(QueryCodec):
    """EC2: the members stand in the response itself, errors are in a list."""

    family = "ec2"

    def __init__(self) -> None:
        super().__init__()
        self._names: PerModel[OperationModel, frozenset[str]] = PerModel(_wire_names)

    def make_parser(self) -> FormParser:
        """The compiler of request shapes."""
        return Ec2FormParser(_invalid_parameter_value)

    def check_names(self, operation: OperationModel, tree: Branch) -> None:
        """EC2 refuses parameters that the action does not have."""
        unknown = unknown_names(tree, self._names(operation))
        if unknown:
            raise UnknownParameter(f"The parameter {unknown[0]} is not recognized")

    def serialize_response(
        self, operation: OperationModel, result: Mapping[str, object], request_id: str
    ) -> HttpResponse:
        """`<OpResponse><requestId/>members</OpResponse>`."""
        name = operation.name
        out = [
            f'{_DECLARATION}<{name}Response xmlns="{_namespace(operation.service_model).rstrip("/")}/">',
            f"<requestId>{escape(request_id)}</requestId>",
        ]
        write = self._outputs(operation)
        if write is not None:
            write(out, result)
        out.append(f"</{name}Response>")
        return _response(200, out, request_id)

    def serialize_error(self, service: ServiceModel | None, failure: Failure, request_id: str) -> HttpResponse:
        """`<Response><Errors><Error><Code/><Message/></Error></Errors><RequestID/></Response>`."""
        error = resolve_error(service, self.family, failure)
        worded = error.name if error.shape is None else error.query_code
        out = [
            f"{_DECLARATION}<Response><Errors><Error><Code>{escape(worded)}</Code>",
            f"<Message>{escape(failure.message)}</Message>",
        ]
        self.write_members(out, service, error, failure.members)
        out.append(f"</Error></Errors><RequestID>{escape(request_id)}</RequestID></Response>")
        return _response(error.status, out, request_id)


def _wire_names(operation: OperationModel) -> frozenset[str]:
    shape = operation.input_shape
    if shape is None:
        return frozenset()
    parser = Ec2FormParser(_invalid_parameter_value)
    return frozenset(wire for name, member in members_of(shape).items() for wire in parser.member_names(name, member))


def _namespace(service: ServiceModel) -> str:
    return escape(str(cast("Mapping[str, object]", service.metadata).get("xmlNamespace", "")))


def _response(status: int, out: list[str], request_id: str) -> HttpResponse:
    return HttpResponse(status, (_CONTENT_TYPE, ("x-amzn-RequestId", request_id)), "".join(out).encode("utf-8"))


def _malformed_input(text: str, kind: str) -> ProtocolError:
    return MalformedInput(f"Expected {kind}, found {_short(text)}.")


def _invalid_parameter_value(text: str, kind: str) -> ProtocolError:
    return InvalidParameterValue(f"Invalid value {_short(text)}: expected {kind}.")


def _short(text: str) -> str:
    return f"'{text if len(text) <= 100 else text[:100] + '...'}'"
