"""Texts and numbers that no database holds, sent to every operation that is built: whatever is said of them, it is not a fault of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape
from tests.service.server.members import REFUSED
from tests.support.server import REGION, ServerThread

from roadstead.gateway.protocols.patterns import matcher
from roadstead.services.operation import OPERATIONS

SERVICES = sorted({name.partition(":")[0] for name in OPERATIONS} - {"roadstead"})
PLAIN = [
    "web",
    "web12345",
    "123456789012",
    "AKIA1234567890123456",
    "arn:aws:iam::123456789012:role/web",
    "arn:aws:ecs:us-east-1:123456789012:task/web",
    "sha256:" + "a" * 64,
    "/web/",
]
DEEPEST = 6


def _text(shape: Shape, odd: str) -> str:
    traits = cast("Mapping[str, Any]", shape.metadata)
    if traits.get("enum"):
        return str(traits["enum"][0])
    pattern = matcher(traits["pattern"]) if traits.get("pattern") else None
    fitting = [text for text in (odd, *PLAIN) if pattern is None or pattern(text)]
    return max(fitting or ["web"], key=lambda text: text == odd)


def _number(shape: Shape, odd: str) -> int:
    traits = cast("Mapping[str, Any]", shape.metadata)
    return int(traits.get("max", 2**63 - 1 if "\0" not in odd else traits.get("min", 1)))


def _value(shape: Shape, odd: str, *, every: bool, depth: int = 0) -> Any:
    if isinstance(shape, StructureShape):
        names = shape.members if every and depth < DEEPEST else shape.required_members
        if shape.is_tagged_union:
            names = list(shape.members)[:1]
        return {name: _value(shape.members[name], odd, every=every, depth=depth + 1) for name in names}
    if isinstance(shape, ListShape):
        return [_value(shape.member, odd, every=every, depth=depth + 1)]
    if isinstance(shape, MapShape):
        return {_text(shape.key, odd): _value(shape.value, odd, every=every, depth=depth + 1)}
    match shape.type_name:
        case "string":
            return _text(shape, odd)
        case "integer" | "long":
            return _number(shape, odd)
        case "float" | "double":
            return 1.0
        case "boolean":
            return False
        case "timestamp":
            return 0
        case _:
            return b"blob"


def _client(server: ServerThread, service: str) -> Any:
    keys = server.new_account()
    return boto3.client(  # type: ignore[call-overload]
        service,  # type: ignore[arg-type]
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name=REGION,
        aws_access_key_id=keys.key,
        aws_secret_access_key=keys.secret,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30, parameter_validation=False),
    )


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("odd", ["a\0b", "x" * 5000, "a" * 300], ids=["nul", "long", "longer than names"])
def test_no_operation_fails_over_its_parameters(server: ServerThread, service: str, odd: str) -> None:
    client = _client(server, service)
    failed: list[str] = []
    for operation in sorted(name.partition(":")[2] for name in OPERATIONS if name.startswith(f"{service}:")):
        shape = client.meta.service_model.operation_model(operation).input_shape
        for every in (False, True):
            parameters = {} if shape is None else _value(shape, odd, every=every)
            for refused in REFUSED.get(f"{service}:{operation}", ()):
                parameters.pop(refused, None)
            try:
                client._make_api_call(operation, parameters)
            except ClientError as error:
                status = cast("Any", error.response)["ResponseMetadata"]["HTTPStatusCode"]
                if status >= 500:
                    failed.append(f"{operation} {str(parameters)[:500]}: {error}")
    assert not failed, "\n".join(failed)
