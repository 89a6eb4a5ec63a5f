"""URI templates of REST operations (https://smithy.io/2.0/spec/http-bindings.html): matching and routing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote_to_bytes

from botocore.model import OperationModel, ServiceModel

from roadstead.gateway.protocols.errors import SerializationException

_LABEL = re.compile(r"\{([^}]+?)(\+?)\}")


def decode_component(text: str) -> str:
    """Undoes percent encoding; raises SerializationException where the bytes are not UTF-8."""
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SerializationException("The URI is not UTF-8") from error


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The decoded names and values of a query string, in order."""
    if not query:
        return []
    pairs: list[tuple[str, str]] = []
    for piece in query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((decode_component(name), decode_component(value)))
    return pairs


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled requestUri: `labels` are the names in braces; `literals` query parameters that must be there."""

    pattern: re.Pattern[str]
    labels: tuple[str, ...]
    literals: tuple[tuple[str, str], ...]
    rank: tuple[int, ...]
    greedy: bool

    @classmethod
    def compile(cls, request_uri: str) -> Template:
        """Compiles `/clusters/{name}/node-groups`, `/{Bucket}/{Key+}?versions`."""
        path, _, query = request_uri.partition("?")
        labels: list[str] = []
        rank: list[int] = []
        parts: list[str] = []
        for segment in _segments(path):
            end = 0
            pattern = ""
            weight = 0
            for label in _LABEL.finditer(segment):
                labels.append(label.group(1))
                pattern += re.escape(segment[end : label.start()]) + ("(.+)" if label.group(2) else "([^/]+)")
                weight = 2 if label.group(2) else 1
                end = label.end()
            parts.append(pattern + re.escape(segment[end:]))
            rank.append(weight)
        literals = tuple(query_pairs(query))
        return cls(
            pattern=re.compile("/" + "/".join(parts)),
            labels=tuple(labels),
            literals=literals,
            rank=(*rank, -len(literals)),
            greedy=2 in rank,
        )

    def match(self, path: str) -> dict[str, str] | None:
        """The labels' raw texts where `path`, still encoded, fits."""
        found = self.pattern.fullmatch(path if self.greedy else _trimmed(path))
        return None if found is None else dict(zip(self.labels, found.groups(), strict=True))


def _segments(path: str) -> list[str]:
    trimmed = path.strip("/")
    return trimmed.split("/") if trimmed else [""]


def _trimmed(path: str) -> str:
    return "/" + path.strip("/")


class Router:
    """Finds a REST service's operation by method and path; literal segments win over labels, those over greedy ones."""

    def __init__(self, service: ServiceModel) -> None:
        self._exact: defaultdict[tuple[str, int], list[tuple[Template, str]]] = defaultdict(list)
        self._greedy: defaultdict[str, list[tuple[Template, str]]] = defaultdict(list)
        for name in service.operation_names:
            operation = service.operation_model(name)
            http = cast("dict[str, str]", operation.http)
            template, method = Template.compile(http["requestUri"]), http.get("method", "POST")
            if template.greedy:
                self._greedy[method].append((template, name))
            else:
                self._exact[method, len(template.rank) - 1].append((template, name))
        for routes in (*self._exact.values(), *self._greedy.values()):
            routes.sort(key=lambda route: (route[0].rank, route[1]))

    def find(self, method: str, path: str, query: str) -> str | None:
        """The operation's name, or None."""
        given: list[tuple[str, str]] | None = None
        for template, name in self._candidates(method, path):
            if template.match(path) is None:
                continue
            if template.literals:
                given = query_pairs(query) if given is None else given
                if not all(literal in given for literal in template.literals):
                    continue
            return name
        return None

    def _candidates(self, method: str, path: str) -> Iterable[tuple[Template, str]]:
        yield from self._exact.get((method, len(_segments(path))), ())
        yield from self._greedy.get(method, ())


def template_of(operation: OperationModel) -> Template:
    """The compiled requestUri of an operation."""
    return Template.compile(cast("dict[str, str]", operation.http).get("requestUri", "/"))
