"""`requiresAttributes`: what a container instance's agent must be able to do to run a task.

Versions of the Docker API are left out: an instance need not run Docker. Names as in https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-capabilities.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from roadstead.core.taskdef import awslogs
from roadstead.core.taskdef.shapes import AWSVPC, Shape, containers, inner, log_driver, network_mode

ARCHITECTURE = "ecs.cpu-architecture"
OS_TYPE = "ecs.os-type"
_ARCHITECTURES = {"X86_64": "x86_64", "ARM64": "arm64"}
_PREFIX = "com.amazonaws.ecs.capability."


def required_attributes(definition: Shape, *, is_ecr: Callable[[str], bool]) -> list[str]:
    """Attribute names, each once, sorted."""
    found = set(_of_task(definition))
    for container in containers(definition):
        found.update(_of_container(container, is_ecr, bool(definition.get("executionRoleArn"))))
    return sorted(found)


def platform_values(definition: Shape) -> frozenset[tuple[str, str]]:
    """The attributes, with their values, of instances that are of the definition's `runtimePlatform`; none where it names none."""
    platform = inner(definition, "runtimePlatform")
    found: set[tuple[str, str]] = set()
    architecture, family = platform.get("cpuArchitecture"), platform.get("operatingSystemFamily")
    if architecture:
        found.add((ARCHITECTURE, _ARCHITECTURES[architecture]))
    if family:
        found.add((OS_TYPE, "linux" if family == "LINUX" else "windows"))
    return frozenset(found)


def _of_task(definition: Shape) -> Iterator[str]:
    if network_mode(definition) == AWSVPC:
        yield "ecs.capability.task-eni"
    if definition.get("taskRoleArn"):
        yield _PREFIX + "task-iam-role"
    if definition.get("pidMode") or definition.get("ipcMode"):
        yield "ecs.capability.pid-ipc-namespace-sharing"
    if definition.get("cpu") or definition.get("memory"):
        yield "ecs.capability.task-cpu-mem-limit"


def _of_container(container: Shape, is_ecr: Callable[[str], bool], has_execution_role: bool) -> Iterator[str]:
    if is_ecr(container["image"]):
        yield "ecs.capability.execution-role-ecr-pull" if has_execution_role else _PREFIX + "ecr-auth"
    driver = log_driver(container)
    if driver is not None:
        yield f"{_PREFIX}logging-driver.{driver}"
    if driver == awslogs.DRIVER and has_execution_role:
        yield "ecs.capability.execution-role-awslogs"
    if container.get("dependsOn") or container.get("startTimeout") or container.get("stopTimeout"):
        yield "ecs.capability.container-ordering"
    if container.get("healthCheck"):
        yield "ecs.capability.container-health-check"
    if container.get("privileged"):
        yield _PREFIX + "privileged-container"
    if container.get("secrets"):
        yield "ecs.capability.secrets.ssm.environment-variables"
    if inner(container, "restartPolicy").get("enabled"):
        yield "ecs.capability.container-restart-policy"
