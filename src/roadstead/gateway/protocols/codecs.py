"""The one instance of each codec: they cache what they compile."""

from __future__ import annotations

from roadstead.gateway.protocols.cbor_rpc import CborCodec
from roadstead.gateway.protocols.codec import Codec
from roadstead.gateway.protocols.json_rpc import JsonCodec
from roadstead.gateway.protocols.query import Ec2Codec, QueryCodec
from roadstead.gateway.protocols.rest_json import RestJsonCodec
from roadstead.gateway.protocols.rest_xml_errors import S3Codec

QUERY: Codec = QueryCodec()
EC2: Codec = Ec2Codec()
REST_JSON: Codec = RestJsonCodec()
S3: Codec = S3Codec()

_JSON: dict[tuple[str, bool], Codec] = {
    (version, compatible): JsonCodec(version, query_errors=compatible)
    for version in ("1.0", "1.1")
    for compatible in (False, True)
}
_CBOR: dict[bool, Codec] = {compatible: CborCodec(query_errors=compatible) for compatible in (False, True)}


def json_codec(version: str, *, query_errors: bool = False) -> Codec:
    """AWS JSON 1.0 or 1.1; with `query_errors`, errors carry their query code in a header."""
    return _JSON[version if version == "1.0" else "1.1", query_errors]


def cbor_codec(*, query_errors: bool = False) -> Codec:
    """RPC v2 CBOR; with `query_errors`, errors carry their query code in a header."""
    return _CBOR[query_errors]
