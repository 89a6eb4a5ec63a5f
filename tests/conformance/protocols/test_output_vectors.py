"""What our serialiser writes of a vector's result or error, botocore's own parser reads back as that."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import Shape
from botocore.parsers import PROTOCOL_PARSERS, ResponseParserError
from botocore.utils import parse_timestamp
from tests.support.protocol_vectors import FILES, NOT_BUILT, SPECIAL_FLOATS, Case, cases, file_names, from_vector

from roadstead.gateway.protocols import HttpResponse
from roadstead.gateway.protocols.codec import Failure

pytestmark = pytest.mark.vectors

FLATTENED_NAMES = "botocore's parser wants flattened items named as the list's member, Smithy as the list"
NO_PARSER = "botocore's parser does not read what the vector shows, and skips the vector itself"

LEFT_OUT = {
    "ec2:Ec2XmlLists": FLATTENED_NAMES,
    "query:QueryXmlLists": FLATTENED_NAMES,
    "rest-json:RestJsonHttpPayloadTraitsWithNoBlobBody": NO_PARSER,
    "rest-json:RestJsonHttpPayloadWithUnsetUnion": NO_PARSER,
    "rest-json:RestJsonInputAndOutputWithQuotedStringHeaders": NO_PARSER,
    "rest-json:RestJsonInputAndOutputWithTimestampHeaders": NO_PARSER,
    "rest-json:HttpPrefixHeadersResponse": "its empty prefix takes every header, our request id too",
}
"""Vectors that our output can't be checked by, by file and id, with the reason."""

REQUEST_ID = "foo-id"


def _parse(case: Case, response: HttpResponse, shape: Shape | None) -> dict[str, Any]:
    def epoch(value: Any) -> float:
        return parse_timestamp(value).timestamp()

    make_parser: Any = PROTOCOL_PARSERS[case.protocol]
    parser = make_parser(timestamp_parser=epoch)
    parsed = parser.parse(
        {
            "status_code": response.status,
            "headers": HeadersDict(dict(response.headers)),
            "body": response.body,
            "context": {"operation_name": case.operation.name},
        },
        shape,
    )
    parsed.pop("ResponseMetadata", None)
    return parsed


def _as_vector(value: Any) -> Any:
    match value:
        case dict():
            return {key: _as_vector(item) for key, item in value.items()}
        case list():
            return [_as_vector(item) for item in value]
        case bytes():
            return value.decode()
        case datetime():
            return value.timestamp()
        case float() if not math.isfinite(value):
            return next(name for name, special in SPECIAL_FLOATS.items() if repr(special) == repr(value))
        case _:
            return value


def _error_as_read(case: Case) -> tuple[Any, Any]:
    service = case.operation.service_model
    code, message = case.data["errorCode"], case.data.get("errorMessage", "")
    shape: Any = service.shape_for_error_code(code)
    members = {key: value for key, value in case.data["error"].items() if key.lower() != "message"}
    failure = Failure(code, case.data["response"]["status_code"], message, from_vector(shape, members))
    response = case.codec.serialize_error(service, failure, REQUEST_ID)
    parsed = _parse(case, response, case.operation.output_shape)
    # botocore reads an empty XML element as None.
    read = {"Error": {key: parsed["Error"].get(key) or "" for key in ("Code", "Message")}}
    if shape is not None:
        read.update(_as_vector(_parse(case, response, shape)))
    return read, {"Error": {"Code": code, "Message": message}, **case.data["error"]}


def _result_as_read(case: Case) -> tuple[Any, Any]:
    shape = case.operation.output_shape
    response = case.codec.serialize_response(case.operation, from_vector(shape, case.data["result"]), REQUEST_ID)
    return _as_vector(_parse(case, response, shape)), case.data["result"]


def _read_and_wanted(case: Case) -> tuple[Any, Any]:
    return _error_as_read(case) if "error" in case.data else _result_as_read(case)


def _holds(case: Case) -> bool:
    try:
        read, wanted = _read_and_wanted(case)
    except ResponseParserError:
        return False
    return read == wanted


@pytest.mark.parametrize("file", FILES)
def test_botocore_reads_back_what_we_write(file: str) -> None:
    tried = [case for case in cases("output", file) if case.name not in LEFT_OUT]
    assert [case.name for case in tried if not _holds(case)] == []


def test_each_left_out_vector_exists_and_still_fails() -> None:
    left_out = {case.name: case for file in FILES for case in cases("output", file) if case.name in LEFT_OUT}
    assert left_out.keys() == LEFT_OUT.keys()
    assert [name for name, case in left_out.items() if _holds(case)] == []


def test_no_file_is_forgotten() -> None:
    assert file_names("output") == {*FILES, *NOT_BUILT}
