"""Form-encoded parameters (`Filter.1.Name=...`) as a tree, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, Union, cast
from urllib.parse import unquote_to_bytes

from roadstead.gateway.protocols.content import body_of
from roadstead.gateway.protocols.errors import MalformedQueryString
from roadstead.gateway.protocols.messages import HttpRequest

Node: TypeAlias = Union[str, "Branch"]
Branch: TypeAlias = dict[str, Node]

_MAX_PAIRS = 20_000
_MAX_ESCAPES = 500_000
"""Undoing so many takes 0.3 s on a slow processor."""
_MAX_DEPTH = 64
_MAX_NAME = 256
"""Characters, encoded, of what says which operation is asked for."""
_OWN = ""
"""The key under which a branch keeps its own text, where a request gives both `X=` and `X.1=`."""


class Asked(NamedTuple):
    """What a form says of the operation that it is for; None for what it does not say."""

    action: str | None
    version: str | None


def form_asks(request: HttpRequest) -> Asked:
    """Action and Version; nothing else is decoded, because nobody knows yet whose request it is.

    Raises MalformedQueryString for more than 20 000 parameters, a body that is not UTF-8 or a value that can name nothing.
    """
    found: dict[str, str] = {}
    for key, _, value in request.once(_pieces):
        if len(key) <= _MAX_NAME and (name := decode_text(key)) in ("Action", "Version"):
            if len(value) > _MAX_NAME:
                raise MalformedQueryString(f"The parameter {name} is too long.")
            found[name] = decode_text(value)
    return Asked(found.get("Action"), found.get("Version"))


def form_pairs(request: HttpRequest) -> Mapping[str, str]:
    """The request's parameters from query string and body, decoded; the last of a name counts.

    They are read once. Raises MalformedQueryString for encodings that are none and for more than 20 000 parameters or 500 000 escapes.
    """
    return request.once(_form_pairs)


def _form_pairs(request: HttpRequest) -> Mapping[str, str]:
    pieces = request.once(_pieces)
    if sum(key.count("%") + value.count("%") for key, _, value in pieces) > _MAX_ESCAPES:
        raise MalformedQueryString(f"There are more than {_MAX_ESCAPES} escapes.")
    return {decode_text(key): decode_text(value) for key, _, value in pieces if key}


def _pieces(request: HttpRequest) -> list[tuple[str, str, str]]:
    """Names and values of query string and body, as they are encoded."""
    texts = [request.query] if request.query else []
    if request.body and request.method != "GET":
        try:
            texts.append(body_of(request).decode("utf-8").strip("\r\n"))
        except UnicodeDecodeError as error:
            raise MalformedQueryString("The body is not UTF-8.") from error
    pieces: list[tuple[str, str, str]] = []
    for text in texts:
        if text.count("&") > _MAX_PAIRS:
            raise MalformedQueryString(f"There are more than {_MAX_PAIRS} parameters.")
        pieces += [piece.partition("=") for piece in text.split("&")]
    return pieces


def decode_text(text: str) -> str:
    """Undoes form encoding; raises MalformedQueryString where the bytes are not UTF-8."""
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedQueryString("A parameter is not UTF-8.") from error


def form_tree(pairs: Mapping[str, str]) -> Branch:
    """Splits names at their dots into nested branches; raises MalformedQueryString beyond 64 levels."""
    root: Branch = {}
    for name, value in pairs.items():
        if "." not in name:
            _put(root, name, value)
            continue
        if name.count(".") > _MAX_DEPTH:
            raise MalformedQueryString("A parameter is nested too deeply.")
        *parents, last = name.split(".")
        branch = root
        for part in parents:
            below = branch.get(part)
            if not isinstance(below, dict):
                child: Branch = {} if below is None else {_OWN: below}
                branch[part] = child
                below = child
            branch = below
        _put(branch, last, value)
    return root


def _put(branch: Branch, key: str, value: str) -> None:
    present = branch.get(key)
    if isinstance(present, dict):
        present[_OWN] = value
    else:
        branch[key] = value


def text_of(node: Node) -> str | None:
    """The text at a node, None where there are only members below it."""
    return node if isinstance(node, str) else cast("str | None", node.get(_OWN))


def items_of(branch: Branch) -> list[Node]:
    """The members whose names are numbers, in that order."""
    numbered = [(int(key), node) for key, node in branch.items() if key.isascii() and key.isdigit() and len(key) < 10]
    numbered.sort(key=lambda item: item[0])
    return [node for _, node in numbered]
