"""RunTask's overrides applied to a task definition.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
"""

from __future__ import annotations

import msgspec

from roadstead.core.taskdef.containers import check_environment, check_least
from roadstead.core.taskdef.errors import InvalidTaskDefinition, InvalidTaskParameter
from roadstead.core.taskdef.shapes import Shape, containers
from roadstead.core.taskdef.sizes import parse_cpu, parse_memory

MAX_LENGTH = 8192
"""Characters of JSON that overrides may have."""
_TASK_MEMBERS = ("cpu", "memory", "taskRoleArn", "executionRoleArn", "ephemeralStorage")
_CONTAINER_MEMBERS = ("command", "cpu", "memory", "memoryReservation", "environmentFiles", "resourceRequirements")


def apply(definition: Shape, overrides: Shape) -> Shape:
    """The definition as the task runs it. Environment variables are merged by name, everything else is replaced.

    Raises InvalidTaskDefinition or InvalidTaskParameter.
    """
    if len(msgspec.json.encode(overrides).decode()) > MAX_LENGTH:
        raise InvalidTaskParameter(f"Container Overrides length must be at most {MAX_LENGTH}")
    by_name: dict[str, Shape] = {}
    known = {container["name"] for container in containers(definition)}
    for override in overrides.get("containerOverrides") or ():
        name = override.get("name")
        if not name:
            raise InvalidTaskDefinition("Container override name should not be null or empty.")
        if name not in known:
            raise InvalidTaskParameter(f"Override for container named {name} is not a container in the TaskDefinition.")
        check_environment(override.get("environment") or ())
        check_least(override)
        by_name[name] = override
    changed = {**definition, **{member: overrides[member] for member in _TASK_MEMBERS if overrides.get(member)}}
    if overrides.get("cpu"):
        changed["cpu"] = str(parse_cpu(overrides["cpu"]))
    if overrides.get("memory"):
        changed["memory"] = str(parse_memory(overrides["memory"]))
    changed["containerDefinitions"] = [
        _container(container, by_name.get(container["name"], {})) for container in containers(definition)
    ]
    return changed


def echoed(definition: Shape, overrides: Shape) -> Shape:
    """The overrides as DescribeTasks shows them: an entry for every container of the definition."""
    given = {override["name"]: override for override in overrides.get("containerOverrides") or ()}
    entries = [given.get(each["name"], {"name": each["name"]}) for each in containers(definition)]
    return {
        **overrides,
        "containerOverrides": entries,
        "inferenceAcceleratorOverrides": overrides.get("inferenceAcceleratorOverrides") or [],
    }


def _container(container: Shape, override: Shape) -> Shape:
    changed = {
        **container,
        **{member: override[member] for member in _CONTAINER_MEMBERS if override.get(member) is not None},
    }
    if override.get("environment"):
        variables = {pair["name"]: pair.get("value") or "" for pair in container.get("environment") or ()}
        variables.update({pair["name"]: pair.get("value") or "" for pair in override["environment"]})
        changed["environment"] = [{"name": name, "value": value} for name, value in variables.items()]
    return changed
