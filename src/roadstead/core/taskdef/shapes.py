"""AWS's shapes as far as decisions read them: dictionaries with these members and any others."""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]

AWSVPC = "awsvpc"
BRIDGE = "bridge"
HOST = "host"
NONE = "none"
FARGATE = "FARGATE"
EC2 = "EC2"
EXTERNAL = "EXTERNAL"
MANAGED_INSTANCES = "MANAGED_INSTANCES"


def containers(definition: Shape) -> list[Shape]:
    """The container definitions."""
    return definition.get("containerDefinitions") or []


def network_mode(definition: Shape) -> str:
    """The network mode that holds: `bridge` when none is given, as on Linux instances."""
    return definition.get("networkMode") or BRIDGE


def is_essential(container: Shape) -> bool:
    """Whether the task stops with the container; so by default."""
    return container.get("essential") is not False


def inner(shape: Shape, name: str) -> Shape:
    """A member that is a structure; empty when it is absent."""
    return shape.get(name) or {}


def log_driver(container: Shape) -> str | None:
    """The container's log driver, if it names one."""
    return inner(container, "logConfiguration").get("logDriver")
