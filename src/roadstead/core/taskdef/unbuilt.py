"""What a task definition or RunTask may ask for that no task gets here, by name: such a task is refused, never started without it.

What every agent may decide for itself is not here: secrets, registry credentials and network modes are refused in words by the agent.
"""

from __future__ import annotations

from collections.abc import Iterator

from roadstead.core.taskdef import awslogs
from roadstead.core.taskdef.shapes import FARGATE, MANAGED_INSTANCES, Shape, containers, inner, log_driver

_TASK = ("proxyConfiguration", "inferenceAccelerators", "ephemeralStorage", "trustedExecutionConfiguration")
_VOLUME = (
    "efsVolumeConfiguration",
    "s3filesVolumeConfiguration",
    "fsxWindowsFileServerVolumeConfiguration",
    "configuredAtLaunch",
)
_CONTAINER = ("resourceRequirements", "firelensConfiguration", "credentialSpecs")
_LINUX = ("devices", "maxSwap", "swappiness")
_FARGATE_TASK = ("pidMode", "ipcMode", "enableFaultInjection")
_FARGATE_CONTAINER = ("environmentFiles", "interactive", "pseudoTerminal", "dockerSecurityOptions")
"""On instances these reach the agent, which says what it can't do; so do log drivers and their options."""


def unbuilt(definition: Shape, launch_type: str) -> list[str]:
    """The members of a definition (overrides applied) that no task of this launch type gets: `volumes[data].efsVolumeConfiguration`."""
    return list(_of_definition(definition, on_fargate=launch_type == FARGATE))


def unbuilt_in_request(request: Shape) -> list[str]:
    """The members of a RunTask request, its definition aside, that no task gets."""
    return list(_of_request(request))


def _of_definition(definition: Shape, *, on_fargate: bool) -> Iterator[str]:
    yield from _asked(definition, _TASK + (_FARGATE_TASK if on_fargate else ()))
    for volume in definition.get("volumes") or ():
        for member in _asked(volume, _VOLUME):
            yield f"volumes[{volume.get('name')}].{member}"
    for container in containers(definition):
        for member in _of_container(container, on_fargate=on_fargate):
            yield f"containerDefinitions[{container['name']}].{member}"


def _of_container(container: Shape, *, on_fargate: bool) -> Iterator[str]:
    yield from _asked(container, _CONTAINER + (_FARGATE_CONTAINER if on_fargate else ()))
    for member in _asked(inner(container, "linuxParameters"), _LINUX):
        yield f"linuxParameters.{member}"
    if inner(container, "logConfiguration").get("secretOptions"):
        yield "logConfiguration.secretOptions"
    driver = log_driver(container)
    if not on_fargate or driver is None:
        return
    if driver != awslogs.DRIVER:
        yield f"logConfiguration.logDriver {driver}"
        return
    for option in awslogs.unbuilt_options(inner(inner(container, "logConfiguration"), "options")):
        yield f"logConfiguration.options.{option}"


def _of_request(request: Shape) -> Iterator[str]:
    yield from _asked(request, ("enableExecuteCommand", "volumeConfigurations"))
    for member in _asked(inner(request, "overrides"), ("inferenceAcceleratorOverrides",)):
        yield f"overrides.{member}"
    if request.get("launchType") == MANAGED_INSTANCES:
        yield f"launchType {MANAGED_INSTANCES}"


def _asked(shape: Shape, members: tuple[str, ...]) -> Iterator[str]:
    """Those of the members that ask for something; a number does, 0 included."""
    for member in members:
        value = shape.get(member)
        if value or (isinstance(value, int) and not isinstance(value, bool)):
            yield member
