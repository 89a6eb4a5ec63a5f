"""botocore's serialiser to our parser, and our serialiser to botocore's parser, for real services' shapes."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import PROTOCOL_PARSERS
from botocore.serialize import SERIALIZERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.shape_values import ANY_TEXT, XML_TEXT, structures

from roadstead.gateway.models import service_model
from roadstead.gateway.protocols import HttpRequest, codecs
from roadstead.gateway.protocols.codec import Codec

SPOKEN = [
    ("ecs", "json"),
    ("ecr", "json"),
    ("logs", "json"),
    ("roadstead", "json"),
    ("cloudwatch", "json"),
    ("cloudwatch", "query"),
    ("cloudwatch", "smithy-rpc-v2-cbor"),
    ("servicediscovery", "smithy-rpc-v2-cbor"),
    ("sts", "query"),
    ("iam", "query"),
    ("elbv2", "query"),
    ("autoscaling", "query"),
    ("ec2", "ec2"),
    ("eks", "rest-json"),
    ("inspector2", "rest-json"),
    ("scheduler", "rest-json"),
]

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
thorough = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=SLOW,
)


def codec_of(service: ServiceModel, protocol: str) -> Codec:
    match protocol:
        case "json":
            return codecs.json_codec(service.metadata["jsonVersion"])
        case "smithy-rpc-v2-cbor":
            return codecs.cbor_codec()
        case "query":
            return codecs.QUERY
        case "ec2":
            return codecs.EC2
        case _:
            return codecs.REST_JSON


def as_botocore_reads_json(value: Any) -> Any:
    """JSON has no infinity: the protocols write it as text, which botocore's parser of json 1.x leaves as it finds it."""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: as_botocore_reads_json(item) for key, item in value.items()}
    return [as_botocore_reads_json(item) for item in value] if isinstance(value, list) else value


def request_by_botocore(operation: OperationModel, protocol: str, params: dict[str, Any]) -> HttpRequest:
    serializer: Any = SERIALIZERS[protocol]
    made = serializer().serialize_to_request(params, operation)
    body = urlencode(made["body"]) if isinstance(made["body"], dict) else made["body"]
    path, _, query = made["url_path"].partition("?")
    if isinstance(made["query_string"], dict):
        query = "&".join(part for part in (query, urlencode(made["query_string"], doseq=True, safe="")) if part)
        query = query.replace("+", "%20")
    return HttpRequest(
        method=made["method"],
        path=path,
        query=query,
        headers={name.lower(): str(value) for name, value in made["headers"].items()},
        body=body.encode() if isinstance(body, str) else body,
    )


@pytest.mark.parametrize(("name", "protocol"), SPOKEN)
@thorough
@given(data=st.data())
def test_our_parser_reads_what_botocore_sends(name: str, protocol: str, data: st.DataObject) -> None:
    service = service_model(name)
    operation = service.operation_model(data.draw(st.sampled_from(service.operation_names)))
    shape = operation.input_shape
    params = {} if shape is None else data.draw(structures(shape, ANY_TEXT))
    request = request_by_botocore(operation, protocol, params)
    assert codec_of(service, protocol).parse_request(operation, request) == params


@pytest.mark.parametrize(("name", "protocol"), SPOKEN)
@thorough
@given(data=st.data())
def test_botocore_reads_what_our_serialiser_writes(name: str, protocol: str, data: st.DataObject) -> None:
    service = service_model(name)
    operation = service.operation_model(data.draw(st.sampled_from(service.operation_names)))
    shape: Any = operation.output_shape
    text = XML_TEXT if protocol in ("query", "ec2") else ANY_TEXT
    result = {} if shape is None else data.draw(structures(shape, text))
    response = codec_of(service, protocol).serialize_response(operation, result, "request-1")
    parser: Any = PROTOCOL_PARSERS[protocol]
    parsed = parser().parse(
        {
            "status_code": response.status,
            "headers": HeadersDict(dict(response.headers)),
            "body": response.body,
            "context": {"operation_name": operation.name},
        },
        None if shape is not None and shape.event_stream_name else shape,
    )
    metadata = parsed.pop("ResponseMetadata")
    if shape is None or not shape.event_stream_name:
        assert parsed == (as_botocore_reads_json(result) if protocol == "json" else result)
    if not (protocol == "smithy-rpc-v2-cbor" and shape is None):
        assert metadata["RequestId"] == "request-1"
