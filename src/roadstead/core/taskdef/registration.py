"""RegisterTaskDefinition as a function: a request in, the definition that is kept out.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from roadstead.core.taskdef import containers as rules
from roadstead.core.taskdef.attributes import required_attributes
from roadstead.core.taskdef.dependencies import check_dependencies, check_links
from roadstead.core.taskdef.errors import InvalidTaskDefinition, InvalidTaskParameter
from roadstead.core.taskdef.fargate import check_fargate
from roadstead.core.taskdef.ports import check_host_ports, check_ports, with_defaults
from roadstead.core.taskdef.shapes import (
    AWSVPC,
    EC2,
    EXTERNAL,
    FARGATE,
    MANAGED_INSTANCES,
    Shape,
    containers,
    is_essential,
    network_mode,
)
from roadstead.core.taskdef.sizes import parse_cpu, parse_memory

MAX_BYTES = 65536
"""Of JSON that a task definition may have."""
_FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")
_KEPT = (
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
)
_HEALTH_DEFAULTS = {"interval": 30, "timeout": 5, "retries": 3}


def register(request: Shape, *, is_ecr: Callable[[str], bool]) -> Shape:
    """The definition of a valid request, defaults filled in as AWS does; `is_ecr` tells whether an image lies in ECR.

    Raises InvalidTaskDefinition (a ClientException) or InvalidTaskParameter (an InvalidParameterException).
    """
    cpu = parse_cpu(request["cpu"]) if request.get("cpu") is not None else None
    memory = parse_memory(request["memory"]) if request.get("memory") is not None else None
    _check(request, cpu, memory, is_ecr)
    mode = network_mode(request)
    definition: Shape = {name: request[name] for name in _KEPT if request.get(name) is not None}
    definition["containerDefinitions"] = [_complete(container, mode) for container in containers(request)]
    definition.setdefault("volumes", [])
    definition.setdefault("placementConstraints", [])
    if cpu is not None:
        definition["cpu"] = str(cpu)
    if memory is not None:
        definition["memory"] = str(memory)
    definition["compatibilities"] = compatibilities(definition, cpu=cpu, memory=memory, is_ecr=is_ecr)
    attributes = required_attributes(definition, is_ecr=is_ecr)
    if attributes:
        definition["requiresAttributes"] = [{"name": name} for name in attributes]
    return definition


def compatibilities(
    definition: Shape, *, cpu: int | None, memory: int | None, is_ecr: Callable[[str], bool]
) -> list[str]:
    """The launch types that the definition fits, whatever it requires."""
    found = [EC2]
    if network_mode(definition) != AWSVPC:
        return [EXTERNAL, EC2]
    try:
        check_fargate(definition, cpu=cpu, memory=memory, is_ecr=is_ecr)
    except InvalidTaskDefinition:
        return found
    return [EC2, MANAGED_INSTANCES, FARGATE]


def _check(request: Shape, cpu: int | None, memory: int | None, is_ecr: Callable[[str], bool]) -> None:
    length = len(msgspec.json.encode({name: value for name, value in request.items() if name != "tags"}))
    if length > MAX_BYTES:
        raise InvalidTaskDefinition(f"Actual length: '{length}'. Max allowed length is '{MAX_BYTES}' bytes.")
    if not _FAMILY.fullmatch(request["family"]):
        raise InvalidTaskDefinition("Family contains invalid characters.")
    mode, defined = network_mode(request), containers(request)
    rules.check_names(defined)
    rules.check_resources(defined, cpu, memory)
    for container in defined:
        rules.check_network_options(container, mode)
        rules.check_environment(container.get("environment") or ())
        rules.check_timeouts(container)
        rules.check_health_check(container)
        rules.check_log_driver(container)
        rules.check_system_controls(container)
        rules.check_secrets(container)
        check_ports(container, mode)
        if container.get("secrets") and not request.get("executionRoleArn"):
            raise InvalidTaskDefinition(
                "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
            )
    check_host_ports(defined, mode)
    rules.check_mounts(defined, request.get("volumes") or [])
    check_dependencies(defined)
    check_links(defined)
    required: list[str] = request.get("requiresCompatibilities") or []
    if FARGATE in required:
        check_fargate(request, cpu=cpu, memory=memory, is_ecr=is_ecr)
    elif request.get("ephemeralStorage"):
        raise InvalidTaskParameter("Ephemeral storage is only supported for Fargate tasks.")
    if EXTERNAL in required and mode == AWSVPC:
        raise InvalidTaskDefinition("Network mode awsvpc is not supported for the EXTERNAL launch type.")


def _complete(container: Shape, mode: str) -> Shape:
    full: Shape = {
        "cpu": 0,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        **{name: value for name, value in container.items() if value is not None},
    }
    full["essential"] = is_essential(container)
    full["portMappings"] = [with_defaults(mapping, mode) for mapping in container.get("portMappings") or ()]
    if full.get("healthCheck"):
        full["healthCheck"] = {**_HEALTH_DEFAULTS, **full["healthCheck"]}
    return full
