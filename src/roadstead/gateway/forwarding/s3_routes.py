"""The operations of S3, as botocore's model has them."""

from __future__ import annotations

from functools import cache
from typing import cast

from botocore.model import OperationModel

from roadstead.core.forwarding.s3.actions import NOT_FORWARDED
from roadstead.core.forwarding.s3.routes import Route, Routes
from roadstead.gateway.models import service_model
from roadstead.gateway.protocols import codecs
from roadstead.gateway.protocols.compiler import members_of, text_trait, wire_name
from roadstead.gateway.protocols.detect import Target
from roadstead.gateway.protocols.uri import query_pairs


@cache
def s3_routes() -> Routes:
    """All that are passed on, without those that a newer one of the same address replaces."""
    model = service_model("s3")
    operations = [model.operation_model(name) for name in model.operation_names if name not in NOT_FORWARDED]
    return Routes(route_of(each) for each in operations if not each.deprecated)


@cache
def streamed_operations() -> frozenset[str]:
    """The operations whose body is an object's content: it is never held."""
    model = service_model("s3")
    return frozenset(n for n in model.operation_names if model.operation_model(n).has_streaming_input)


def target_of(route: Route) -> Target:
    """The operation of a route, for what is told of a request."""
    model = service_model("s3")
    return Target("s3", model, model.operation_model(route.operation), codecs.S3)


def route_of(operation: OperationModel) -> Route:
    """What the model says of one operation's address."""
    http = cast("dict[str, str]", operation.http)
    path, _, query = http["requestUri"].partition("?")
    shape = operation.input_shape
    members = members_of(shape) if shape is not None else {}
    needed = set(shape.required_members) if shape is not None else set[str]()
    located = {
        location: {name: wire_name(name, m) for name, m in members.items() if text_trait(m, "location") == location}
        for location in ("querystring", "header")
    }
    return Route(
        operation=operation.name,
        method=http.get("method", "POST"),
        depth=0 if path == "/" else 2 if "{Key" in path else 1,
        literals=frozenset(query_pairs(query)),
        required=frozenset(wire for name, wire in located["querystring"].items() if name in needed),
        required_headers=frozenset(wire.lower() for name, wire in located["header"].items() if name in needed),
        parameters=frozenset(located["querystring"].values()),
    )
