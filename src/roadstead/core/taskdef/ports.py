"""Port mappings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from roadstead.core.taskdef.errors import InvalidTaskDefinition, InvalidTaskParameter
from roadstead.core.taskdef.shapes import AWSVPC, HOST, NONE, Shape

_HIGHEST = 65535
_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


def check_ports(container: Shape, mode: str) -> None:
    """Raise unless the container's port mappings fit the network mode."""
    mappings: list[Shape] = container.get("portMappings") or []
    if mappings and mode == NONE:
        raise InvalidTaskDefinition("When networkMode=none, port mappings are not supported.")
    used: set[int] = set()
    for mapping in mappings:
        _check_mapping(mapping, mode)
        port = mapping.get("containerPort")
        if port is None:
            continue
        if mode in (AWSVPC, HOST) and port in used:
            raise InvalidTaskParameter(
                f"Container port {port} is used in more than one port mapping for container {container['name']}"
            )
        used.add(port)


def check_host_ports(containers: Sequence[Shape], mode: str) -> None:
    """Raise when two containers of the task want the same port: of its interface under awsvpc, of the host otherwise."""
    used: set[tuple[int, str]] = set()
    for container in containers:
        for mapping in container.get("portMappings") or ():
            full = with_defaults(mapping, mode)
            port, protocol = full.get("hostPort"), full["protocol"]
            if not port:
                continue
            if (port, protocol) in used:
                raise InvalidTaskDefinition(f"{protocol.upper()} host port '{port}' is mapped multiple times in task.")
            used.add((port, protocol))


def _check_mapping(mapping: Shape, mode: str) -> None:
    port, host_port = mapping.get("containerPort"), mapping.get("hostPort")
    if mapping.get("containerPortRange") is not None:
        if port is not None or host_port is not None:
            raise InvalidTaskDefinition("cannot specify both single port and port range")
        _check_range(mapping["containerPortRange"])
        return
    if port is None:
        raise InvalidTaskDefinition("PortMapping.containerPort should not be null.")
    if not 1 <= port <= _HIGHEST:
        raise InvalidTaskDefinition(f"Invalid container port: {port}. Must be between 1 and {_HIGHEST}.")
    if host_port is not None and not 0 <= host_port <= _HIGHEST:
        raise InvalidTaskDefinition(f"Invalid host port: {host_port}. Must be between 0 and {_HIGHEST}.")
    if mode in (AWSVPC, HOST) and host_port is not None and host_port != port:
        raise InvalidTaskDefinition(
            f"When networkMode={mode}, the host ports and container ports in port mappings must match."
        )


def _check_range(text: str) -> None:
    found = _RANGE.fullmatch(text)
    if found is None or not 1 <= int(found[1]) < int(found[2]) <= _HIGHEST:
        raise InvalidTaskDefinition(f"Invalid container port range: {text}.")


def with_defaults(mapping: Shape, mode: str) -> Shape:
    """The mapping as it is kept: protocol tcp, and a host port where it has none (0 asks for any)."""
    full: Shape = {"protocol": "tcp", **mapping}
    if "containerPortRange" in full:
        return full
    if full.get("hostPort") is None:
        full["hostPort"] = full["containerPort"] if mode in (AWSVPC, HOST) else 0
    return full


def static_host_ports(definition_containers: list[Shape], mode: str) -> list[tuple[int, str]]:
    """Ports of the host that a task takes by number: (port, protocol). None of them under awsvpc and none."""
    if mode in (AWSVPC, NONE):
        return []
    return [
        (mapping["hostPort"], mapping.get("protocol") or "tcp")
        for container in definition_containers
        for mapping in container.get("portMappings") or ()
        if mapping.get("hostPort")
    ]
