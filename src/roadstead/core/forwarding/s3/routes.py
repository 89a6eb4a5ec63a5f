"""Which operation of S3 a request is, from what the model says of each: method, place, parameters and headers that it must have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from roadstead.core.forwarding.s3.errors import MethodNotAllowed
from roadstead.core.forwarding.s3.places import Place


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `depth` is 0 for the service, 1 for a bucket, 2 for an object.

    `literals` are parameters that a request must have with these values (`?tagging`, `?list-type=2`), `required` parameters and headers that
    it must have with any value; `parameters` are all that the operation knows.
    """

    operation: str
    method: str
    depth: int
    literals: frozenset[tuple[str, str]] = frozenset()
    required: frozenset[str] = frozenset()
    required_headers: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()

    @property
    def rank(self) -> int:
        """How much a request must have: of two operations that fit, it is the one that asks for more."""
        return len(self.literals) + len(self.required) + len(self.required_headers)

    def fits(self, query: Mapping[str, str], headers: Collection[str]) -> bool:
        """Whether a request has what the operation needs."""
        return (
            self.literals <= query.items() and self.required <= query.keys() and self.required_headers <= set(headers)
        )

    def of_the_operation(self, query: Mapping[str, str]) -> dict[str, str]:
        """The parameters that the operation knows: no other is passed on, so that nobody can take the request for another operation."""
        known = {name for name, _ in self.literals} | self.parameters
        return {name: value for name, value in query.items() if name in known}


class Routes:
    """All operations."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[tuple[str, int], list[Route]] = {}
        for route in sorted(routes, key=lambda each: (-each.rank, each.operation)):
            self._routes.setdefault((route.method, route.depth), []).append(route)

    def find(self, method: str, place: Place, query: Mapping[str, str], headers: Collection[str]) -> Route:
        """The operation of a request; raises MethodNotAllowed."""
        depth = 0 if place.bucket is None else 1 if place.key is None else 2
        for route in self._routes.get((method, depth), ()):
            if route.fits(query, headers):
                return route
        raise MethodNotAllowed("The specified method is not allowed against this resource.")
