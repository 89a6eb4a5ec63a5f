"""Whatever bytes come, a codec answers with parameters or with one of its declared errors, in bounded time."""

from __future__ import annotations

import gzip
import json
import time
from contextlib import suppress
from urllib.parse import quote

import cbor2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from roadstead.gateway.models import service_model
from roadstead.gateway.protocols import HttpRequest, codecs
from roadstead.gateway.protocols.codec import Codec, Failure
from roadstead.gateway.protocols.detect import Unidentified, identify
from roadstead.gateway.protocols.errors import MalformedQueryString, ProtocolError, SerializationException
from roadstead.gateway.protocols.validate import validate
from roadstead.kernel.errors import ServiceError

JSON = codecs.json_codec("1.1")
CBOR = codecs.cbor_codec()
SECONDS = 5.0
"""Far above what these inputs take; a codec that is quadratic in them takes minutes."""

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
anything = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=SLOW,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=12,
)


def post(body: bytes, path: str = "/", **headers: str) -> HttpRequest:
    return HttpRequest("POST", path, "", {name.replace("_", "-"): value for name, value in headers.items()}, body)


def try_to_read(codec: Codec, service: str, operation: str, request: HttpRequest) -> None:
    model = service_model(service).operation_model(operation)
    with suppress(ServiceError):
        validate(service, model, codec.parse_request(model, request))


@anything
@given(st.binary(max_size=200))
@example(b"\xff")
@example(b'"\\ud800"')
@example(b"null")
@example(b"[]")
def test_any_bytes_as_json(body: bytes) -> None:
    try_to_read(JSON, "ecs", "RegisterTaskDefinition", post(body))


@anything
@given(st.data())
def test_any_json_where_members_stand(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(["RegisterTaskDefinition", "CreateService", "SubmitTaskStateChange"]))
    shape = service_model("ecs").operation_model(operation).input_shape
    assert shape is not None
    names = st.sampled_from(list(shape.members))
    document = data.draw(st.dictionaries(names, json_values, max_size=4))
    try_to_read(JSON, "ecs", operation, post(json.dumps(document).encode()))


@anything
@given(st.binary(max_size=200))
def test_any_bytes_as_cbor(body: bytes) -> None:
    try_to_read(CBOR, "cloudwatch", "PutMetricData", post(body))


@anything
@given(json_values)
def test_any_values_in_cbor(value: object) -> None:
    body = cbor2.dumps({"Namespace": value, "MetricData": [{"MetricName": value, "Timestamp": value, "Value": value}]})
    try_to_read(CBOR, "cloudwatch", "PutMetricData", post(body))


@pytest.mark.parametrize("tag", [0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 256, 258, 260, 261, 43000, 55799, 99])
def test_cbor_tags_other_than_timestamps_are_refused(tag: int) -> None:
    body = cbor2.dumps({"Namespace": cbor2.CBORTag(tag, "x" if tag in (0, 35, 36, 37) else 1)})
    operation = service_model("cloudwatch").operation_model("PutMetricData")
    with pytest.raises(SerializationException):
        CBOR.parse_request(operation, post(body))


form_names = st.lists(
    st.sampled_from(["Filter", "Filters", "1", "2", "0", "Value", "Name", "member", "entry", "key", "", "X-Amz-Date"]),
    min_size=1,
    max_size=5,
).map(".".join)


@anything
@given(st.lists(st.tuples(form_names, st.text(max_size=5)), max_size=8), st.sampled_from(["ec2", "iam"]))
def test_any_form(pairs: list[tuple[str, str]], service: str) -> None:
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs).encode()
    codec = codecs.EC2 if service == "ec2" else codecs.QUERY
    for operation in ("DescribeVpcs", "RunInstances") if service == "ec2" else ("CreateRole", "TagRole"):
        try_to_read(codec, service, operation, post(body))


@anything
@given(st.binary(max_size=200))
@example(b"Action=%ff")
@example(b"%zz=%")
def test_any_bytes_as_form(body: bytes) -> None:
    try_to_read(codecs.EC2, "ec2", "RunInstances", post(body))
    try_to_read(codecs.QUERY, "iam", "CreateRole", post(body))


@anything
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20), st.binary(max_size=50))
def test_any_rest_request(tail: str, body: bytes) -> None:
    path, _, query = tail.partition("?")
    request = HttpRequest("POST", f"/clusters/{path}/node-groups", query, {"content-type": "application/json"}, body)
    try_to_read(codecs.REST_JSON, "eks", "CreateNodegroup", request)


@anything
@given(
    st.sampled_from(["GET", "POST", "PUT", "X"]),
    st.text(max_size=30),
    st.text(max_size=30),
    st.dictionaries(
        st.sampled_from(["x-amz-target", "smithy-protocol", "content-type", "x-amzn-query-mode"]),
        st.text(max_size=20) | st.sampled_from(["rpc-v2-cbor", "application/x-www-form-urlencoded", "true"]),
    ),
    st.none() | st.sampled_from(["ecs", "eks", "iam", "s3", "nonsense", "", "elasticloadbalancing"]),
    st.text(max_size=20),
)
def test_any_request_is_identified_or_refused(
    method: str, path: str, query: str, headers: dict[str, str], scope: str | None, host: str
) -> None:
    request = HttpRequest(method, f"/{path}", query, headers, b"Action=x")
    try:
        target = identify(request, scope, host)
    except Unidentified as error:
        answer = error.answer("request-1")
    else:
        answer = target.codec.serialize_error(target.service, Failure("X", 400, path), "request-1")
    assert answer.status >= 400


@pytest.mark.parametrize("depth", [200, 5_000, 200_000])
def test_deep_json_is_refused(depth: int) -> None:
    started = time.monotonic()
    operation = service_model("ecs").operation_model("RegisterTaskDefinition")
    for opening, closing in ((b'{"containerDefinitions":', b"}"), (b"[", b"]")):
        with pytest.raises(SerializationException):
            JSON.parse_request(operation, post(opening * depth + b"1" + closing * depth))
    assert time.monotonic() - started < SECONDS


def test_deeply_recursive_shapes_are_refused_or_read() -> None:
    # SSM inventory aggregators hold aggregators.
    operation = service_model("ssm").operation_model("GetInventory")
    body = b'{"Aggregators":[' * 600 + b'{"Expression":"x"}' + b"]}" * 600
    with pytest.raises(ServiceError) as caught:
        validate("ssm", operation, JSON.parse_request(operation, post(body)))
    assert caught.value.error_code in ("SerializationException", "ValidationException")


def test_deep_cbor_is_refused() -> None:
    operation = service_model("cloudwatch").operation_model("PutMetricData")
    with pytest.raises(SerializationException):
        CBOR.parse_request(operation, post(b"\xa1\x61a" * 100_000 + b"\x01"))


def test_cbor_lengths_beyond_the_body_are_refused() -> None:
    operation = service_model("cloudwatch").operation_model("PutMetricData")
    for body in (b"\x9b" + b"\x7f" * 8, b"\xbb" + b"\x7f" * 8, b"\x5b" + b"\x7f" * 8):
        with pytest.raises(SerializationException):
            CBOR.parse_request(operation, post(body))


def test_deep_and_wide_forms_cost_bounded_time() -> None:
    started = time.monotonic()
    operation = service_model("ec2").operation_model("DescribeVpcs")
    deep = b"Filter" + b".1" * 500_000 + b"=x"
    wide = b"&".join(b"Filter.%d.Name=x" % n for n in range(100_000))
    for body in (deep, wide):
        with pytest.raises(ProtocolError):
            codecs.EC2.parse_request(operation, post(body))
    many = b"&".join(b"Filter.%d.Name=x" % n for n in range(19_000))
    assert len(codecs.EC2.parse_request(operation, post(many))["Filters"]) == 19_000  # type: ignore[arg-type]
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize("compressed", [False, True])
def test_what_a_form_asks_for_is_found_without_decoding_the_rest(compressed: bool) -> None:
    """Nobody has signed for it yet, and 6 kB of gzip would keep the server busy for seconds."""
    body = b"Action=GetUser&%55serName=" + b"%41" * 5_000_000 + b"&Version=2010-05-08"
    request = post(body, content_type="application/x-www-form-urlencoded")
    if compressed:
        request = post(gzip.compress(body), content_type="application/x-www-form-urlencoded", content_encoding="gzip")
    began = time.process_time()
    target = identify(request, "iam", "127.0.0.1")
    assert target.operation_name == "GetUser"
    assert time.process_time() - began < 0.5
    with pytest.raises(MalformedQueryString, match="more than 500000 escapes"):
        target.codec.parse_request(target.operation, request)


def test_the_name_of_an_operation_has_an_end() -> None:
    request = post(b"Action=" + b"%41" * 100_000, content_type="application/x-www-form-urlencoded")
    with pytest.raises(Unidentified, match="The parameter Action is too long"):
        identify(request, "iam", "127.0.0.1")


def test_patterns_don_t_backtrack() -> None:
    started = time.monotonic()
    operation = service_model("ecr").operation_model("DescribeRepositories")
    for name in ("a" * 1_000_000 + "!", "a." * 500_000, "a/" * 500_000 + "_"):
        try_to_read(JSON, "ecr", operation.name, post(json.dumps({"repositoryNames": [name]}).encode()))
    assert time.monotonic() - started < SECONDS


def test_a_compressed_body_is_read() -> None:
    operation = service_model("cloudwatch").operation_model("PutMetricData")
    body = gzip.compress(b'{"Namespace": "n"}')
    parsed = codecs.json_codec("1.0").parse_request(operation, post(body, content_encoding="gzip"))
    assert parsed == {"Namespace": "n"}


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(b"{}")[:-6], gzip.compress(b" " * 20_000_000), gzip.compress(b"{}") + b"more"],
    ids=["not", "cut", "bomb", "followed"],
)
def test_a_bad_compressed_body_is_refused(body: bytes) -> None:
    operation = service_model("cloudwatch").operation_model("PutMetricData")
    with pytest.raises(SerializationException):
        codecs.json_codec("1.0").parse_request(operation, post(body, content_encoding="gzip"))
