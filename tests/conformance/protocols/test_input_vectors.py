"""From the request that botocore's vector shows, our parser yields the vector's parameters."""

from __future__ import annotations

import pytest
from tests.support.protocol_vectors import FILES, NOT_BUILT, Case, cases, file_names, request_of, to_vector

pytestmark = pytest.mark.vectors

COMPRESSED = "the vector shows no body: it is about a client that compresses"
AUTO_FILL = "the client fills in a token that the caller did not give"
NOT_ON_THE_WIRE = "an empty list or map leaves no trace in the request"
EMPTY_PAYLOAD = "an absent payload structure and an empty one are the same bytes"

LEFT_OUT = {
    "ec2:SDKAppliedContentEncoding_ec2Query": COMPRESSED,
    "ec2:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query": COMPRESSED,
    "json:SDKAppliedContentEncoding_awsJson1_1": COMPRESSED,
    "json:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1": COMPRESSED,
    "json_1_0:SDKAppliedContentEncoding_awsJson1_0": COMPRESSED,
    "json_1_0:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0": COMPRESSED,
    "query:SDKAppliedContentEncoding_awsQuery": COMPRESSED,
    "query:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery": COMPRESSED,
    "rest-json:SDKAppliedContentEncoding_restJson1": COMPRESSED,
    "rest-json:SDKAppendedGzipAfterProvidedEncoding_restJson1": COMPRESSED,
    "ec2:Ec2ProtocolIdempotencyTokenAutoFill": AUTO_FILL,
    "query:QueryProtocolIdempotencyTokenAutoFill": AUTO_FILL,
    "rest-json:RestJsonQueryIdempotencyTokenAutoFill": AUTO_FILL,
    "ec2:Ec2EmptyQueryLists": NOT_ON_THE_WIRE,
    "query:QueryEmptyQueryMaps": NOT_ON_THE_WIRE,
    "rest-json:RestJsonHttpPrefixHeadersAreNotPresent": NOT_ON_THE_WIRE,
    "rest-json:RestJsonOmitsEmptyListQueryValues": NOT_ON_THE_WIRE,
    "rest-json:RestJsonHttpWithEmptyStructurePayload": EMPTY_PAYLOAD,
    "rest-json:RestJsonHttpWithHeadersButNoPayload": EMPTY_PAYLOAD,
    "rest-json:RestJsonQueryParamsStringListMap": "a server's map has every parameter, also those of other members",
    "rest-json:RestJsonQueryPrecedence": "the named member overrode the map's entry in the client",
    "rest-json:MediaTypeHeaderInputBase64": "the vector's value is the JSON text; botocore and we have the JSON value",
}
"""Vectors that do not apply to a server, by file and id, with the reason."""


def _holds(case: Case) -> bool:
    parsed = case.codec.parse_request(case.operation, request_of(case))
    return to_vector(parsed) == to_vector(case.data["params"])


@pytest.mark.parametrize("file", FILES)
def test_requests_give_the_parameters(file: str) -> None:
    tried = [case for case in cases("input", file) if case.name not in LEFT_OUT]
    assert [case.name for case in tried if not _holds(case)] == []


def test_each_left_out_vector_exists_and_still_fails() -> None:
    left_out = {case.name: case for file in FILES for case in cases("input", file) if case.name in LEFT_OUT}
    assert left_out.keys() == LEFT_OUT.keys()
    assert [name for name, case in left_out.items() if _holds(case)] == []


def test_no_file_is_forgotten() -> None:
    assert file_names("input") == {*FILES, *NOT_BUILT}
