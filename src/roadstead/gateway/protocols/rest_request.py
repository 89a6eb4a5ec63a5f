"""How a REST-JSON request is taken apart: labels, query string, headers, payload, body."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from botocore.model import ListShape, MapShape, OperationModel, Shape

from roadstead.gateway.protocols.codec import Params
from roadstead.gateway.protocols.compiler import members_of, text_trait, trait, wire_name
from roadstead.gateway.protocols.content import body_of
from roadstead.gateway.protocols.errors import SerializationException, UnknownRoute
from roadstead.gateway.protocols.headers import header_parser
from roadstead.gateway.protocols.json_body import decode_json, within_depth
from roadstead.gateway.protocols.messages import HttpRequest
from roadstead.gateway.protocols.scalars import BadText, text_parser
from roadstead.gateway.protocols.tree import Convert, TreeParser
from roadstead.gateway.protocols.uri import decode_component, query_pairs, template_of

Step: TypeAlias = Callable[[HttpRequest, Params], None]
"""Takes one part of a request into the parameters."""


def compile_request(operation: OperationModel, trees: TreeParser) -> tuple[Step, ...]:
    """The steps that read a request of this operation; none for an operation without input."""
    shape = operation.input_shape
    if shape is None:
        return ()
    by_location: dict[str | None, dict[str, Shape]] = {}
    for name, member in members_of(shape).items():
        by_location.setdefault(text_trait(member, "location"), {})[name] = member
    steps: list[Step] = []
    if "uri" in by_location:
        steps.append(_labels(operation, by_location["uri"]))
    if "querystring" in by_location:
        steps.append(_query(operation, by_location["querystring"]))
    for name, member in by_location.get("header", {}).items():
        steps.append(_header(name, member))
    for name, member in by_location.get("headers", {}).items():
        steps.append(_prefixed_headers(name, member))
    payload = text_trait(shape, "payload")
    if payload is not None:
        steps.append(_payload(payload, members_of(shape)[payload], trees))
    elif None in by_location:
        steps.append(_body(by_location[None], trees))
    return tuple(steps)


def _checked(shape: Shape, place: str) -> Callable[[str], object]:
    read = text_parser(shape)

    def parse(text: str) -> object:
        try:
            return read(text)
        except BadText as error:
            raise SerializationException(f"Expected {error} in {place}") from error

    return parse


def _labels(operation: OperationModel, members: dict[str, Shape]) -> Step:
    template = template_of(operation)
    table = [(name, wire_name(name, member), _checked(member, f"the label {name}")) for name, member in members.items()]

    def step(request: HttpRequest, params: Params) -> None:
        labels = template.match(request.path)
        if labels is None:
            raise UnknownRoute(f"{request.path} is not a path of {operation.name}")
        for name, wire, read in table:
            params[name] = read(decode_component(labels[wire]))

    return step


def _query(operation: OperationModel, members: dict[str, Shape]) -> Step:
    singles: dict[str, tuple[str, Callable[[str], object]]] = {}
    lists: dict[str, tuple[str, Callable[[str], object]]] = {}
    rest: list[tuple[str, bool]] = []
    for name, member in members.items():
        wire, place = wire_name(name, member), f"the query parameter {name}"
        if isinstance(member, ListShape):
            lists[wire] = (name, _checked(member.member, place))
        elif isinstance(member, MapShape):
            rest.append((name, isinstance(member.value, ListShape)))
        else:
            singles[wire] = (name, _checked(member, place))
    literals = frozenset(name for name, _ in template_of(operation).literals)

    def step(request: HttpRequest, params: Params) -> None:
        given: list[tuple[str, str]] = []
        for key, value in query_pairs(request.query):
            if key in singles:
                name, read = singles[key]
                params[name] = read(value)
            elif key in lists:
                name, read = lists[key]
                cast("list[object]", params.setdefault(name, [])).append(read(value))
            if rest and key not in literals:
                given.append((key, value))
        for name, many in rest:
            if given:
                params[name] = _grouped(given) if many else dict(given)

    return step


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for key, value in pairs:
        grouped.setdefault(key, []).append(value)
    return grouped


def _header(name: str, member: Shape) -> Step:
    wire, read = wire_name(name, member).lower(), header_parser(member)

    def step(request: HttpRequest, params: Params) -> None:
        text = request.headers.get(wire)
        if text is not None:
            params[name] = read(text)

    return step


def _prefixed_headers(name: str, member: Shape) -> Step:
    prefix = (text_trait(member, "name") or "").lower()

    def step(request: HttpRequest, params: Params) -> None:
        found = {key[len(prefix) :]: value for key, value in request.headers.items() if key.startswith(prefix)}
        if found:
            params[name] = found

    return step


def _payload(name: str, member: Shape, trees: TreeParser) -> Step:
    read = _raw_payload(member) or _json_payload(trees.compile(member))

    def step(request: HttpRequest, params: Params) -> None:
        body = body_of(request)
        if body:
            params[name] = read(body)

    return step


def _raw_payload(member: Shape) -> Callable[[bytes], object] | None:
    match member.type_name:
        case "blob":
            return lambda body: body
        case "string":
            return _utf8
        case _:
            return None


def _utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SerializationException("The body is not UTF-8") from error


def _json_payload(convert: Convert) -> Callable[[bytes], object]:
    return lambda body: within_depth(convert, decode_json(body))


def _body(members: dict[str, Shape], trees: TreeParser) -> Step:
    convert = trees.object_of({name: member for name, member in members.items() if not trait(member, "eventstream")})

    def step(request: HttpRequest, params: Params) -> None:
        document = decode_json(body_of(request))
        if document is None:
            return
        params.update(cast("Params", within_depth(convert, document)))

    return step
