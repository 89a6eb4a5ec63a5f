"""botocore's protocol vectors as values: cases, and the conversions between their JSON and parameters."""

from __future__ import annotations

import base64
import copy
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from tests.support.botocore_sdist import vectors

from roadstead.gateway.protocols import HttpRequest, codecs
from roadstead.gateway.protocols.codec import Codec
from roadstead.gateway.protocols.timestamps import to_epoch

FILES = (
    "ec2",
    "json",
    "json_1_0",
    "json_1_0-query-compatible",
    "query",
    "rest-json",
    "smithy-rpc-v2-cbor",
    "smithy-rpc-v2-cbor-non-query-compatible",
    "smithy-rpc-v2-cbor-query-compatible",
)
NOT_BUILT = {"rest-xml": "none of the services that Roadstead is about speaks it"}

SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Case:
    """One vector: `file` is its file's stem, `operation` belongs to a service model of its own."""

    file: str
    id: str
    operation: OperationModel
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.file}:{self.id}"

    @property
    def protocol(self) -> str:
        return self.operation.service_model.metadata["protocol"]

    @property
    def codec(self) -> Codec:
        metadata = self.operation.service_model.metadata
        compatible = "awsQueryCompatible" in metadata
        match self.protocol:
            case "json":
                return codecs.json_codec(metadata["jsonVersion"], query_errors=compatible)
            case "smithy-rpc-v2-cbor":
                return codecs.cbor_codec(query_errors=compatible)
            case "rest-json":
                return codecs.REST_JSON
            case "query":
                return codecs.QUERY
            case "ec2":
                return codecs.EC2
            case other:
                raise LookupError(other)


def file_names(direction: str) -> set[str]:
    """The stems of all files in `input` or `output`."""
    return {path.stem for path in (vectors() / "protocols" / direction).glob("*.json")}


def cases(direction: str, file: str) -> Iterator[Case]:
    """The vectors of one file in `input` or `output`."""
    path = vectors() / "protocols" / direction / f"{file}.json"
    if path.is_file():
        for suite in json.loads(path.read_text(encoding="utf-8")):
            for case in suite["cases"]:
                description = copy.deepcopy({key: suite[key] for key in ("metadata", "shapes")})
                name = case["given"]["name"]
                given = dict(case["given"])
                if direction == "output" and description["metadata"]["protocol"] == "query" and "output" in given:
                    given["output"] = {**given["output"], "resultWrapper": f"{name}Result"}
                description["operations"] = {name: given}
                operation = ServiceModel(description, service_name=path.stem).operation_model(name)
                yield Case(path.stem, case["id"], operation, case)


def request_of(case: Case) -> HttpRequest:
    """The request that a client makes of the vector's parameters."""
    wire = case.data["serialized"]
    uri = urlsplit(wire["uri"])
    body = wire.get("body", "")
    return HttpRequest(
        method=wire["method"],
        path=uri.path,
        query=uri.query,
        headers={name.lower(): value for name, value in wire.get("headers", {}).items()},
        body=base64.b64decode(body) if case.protocol == "smithy-rpc-v2-cbor" else body.encode(),
    )


def to_vector(value: Any) -> Any:
    """Parameters in the vectors' JSON: epoch seconds for timestamps, text for blobs and special floats, no nulls."""
    match value:
        case dict():
            return {key: to_vector(item) for key, item in value.items() if item is not None}
        case list():
            return [to_vector(item) for item in value]
        case datetime():
            return to_epoch(value)
        case bytes():
            return value.decode()
        case float() if not math.isfinite(value):
            return next(name for name, special in SPECIAL_FLOATS.items() if repr(special) == repr(value))
        case _:
            return value


def from_vector(shape: Shape | None, value: Any) -> Any:
    """A vector's result as an operation returns it: datetimes, bytes and floats where the model has them."""
    if value is None or shape is None:
        return value
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return value
        return {key: from_vector(shape.members.get(key), item) for key, item in value.items()}
    if isinstance(shape, ListShape):
        return [from_vector(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: from_vector(shape.value, item) for key, item in value.items()}
    match shape.type_name:
        case "timestamp":
            return datetime.fromtimestamp(value, UTC)
        case "blob":
            return value.encode()
        case "float" | "double":
            return SPECIAL_FLOATS.get(value, value) if isinstance(value, str) else value
        case _:
            return value
