"""The order in which the containers of a task start: `dependsOn` and `links`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from roadstead.core.taskdef.errors import InvalidTaskDefinition
from roadstead.core.taskdef.shapes import Shape, is_essential


def check_dependencies(containers: Sequence[Shape]) -> None:
    """Raise InvalidTaskDefinition for a dependency that is unknown, can't be met, or leads back to itself."""
    by_name = {container["name"]: container for container in containers}
    for container in containers:
        for dependency in container.get("dependsOn") or ():
            _check_one(by_name, dependency)
    graph = {
        name: [dependency["containerName"] for dependency in container.get("dependsOn") or ()]
        for name, container in by_name.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise InvalidTaskDefinition("Container dependency cycle detected: " + " -> ".join(error.args[1])) from error


def _check_one(by_name: Mapping[str, Shape], dependency: Shape) -> None:
    name, condition = dependency["containerName"], dependency["condition"]
    if name not in by_name:
        raise InvalidTaskDefinition(f"Cannot depend on container + '{name}' because it does not exist")
    if condition in ("SUCCESS", "COMPLETE") and is_essential(by_name[name]):
        raise InvalidTaskDefinition(
            "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
        )
    if condition == "HEALTHY" and not by_name[name].get("healthCheck"):
        raise InvalidTaskDefinition("A dependency container with HEALTHY condition must have health check configured")


def check_links(containers: Sequence[Shape]) -> None:
    """Raise InvalidTaskDefinition for a link to a container that the task does not have."""
    names = {container["name"] for container in containers}
    for container in containers:
        for link in container.get("links") or ():
            target = link.split(":", 1)[0]
            if target not in names or target == container["name"]:
                raise InvalidTaskDefinition(f"Invalid link '{link}' for container '{container['name']}'.")
