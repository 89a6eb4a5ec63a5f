"""The order of starting and stopping. Pure."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence


class InvalidOrder(ValueError):
    """The dependencies name something unknown or form a circle."""


def start_order(dependencies: Mapping[str, Sequence[str]]) -> list[str]:
    """The names, each after all it depends on; raises InvalidOrder. Stop in the reverse of it."""
    for name, needed in dependencies.items():
        if unknown := [other for other in needed if other not in dependencies]:
            raise InvalidOrder(f"{name} depends on {', '.join(unknown)}, which is not supervised")
    try:
        return list(graphlib.TopologicalSorter(dependencies).static_order())
    except graphlib.CycleError as error:
        raise InvalidOrder(f"a circle of dependencies: {' > '.join(error.args[1])}") from error


def dependents(dependencies: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The inverse: for each name, those that depend on it directly."""
    return {name: tuple(other for other, needed in dependencies.items() if name in needed) for name in dependencies}
