"""What every container definition must satisfy by itself and together with its siblings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from roadstead.core.taskdef import awslogs
from roadstead.core.taskdef.errors import InvalidTaskDefinition
from roadstead.core.taskdef.shapes import AWSVPC, Shape, is_essential
from roadstead.kernel.arn import Arn, InvalidArn

MAX_CONTAINERS = 10
MIN_MEMORY = 6
"""MiB, the least that Docker gives a container."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_IMAGE = re.compile(r"[A-Za-z0-9_.:/#-]{1,255}(@sha256:[A-Fa-f0-9]{64})?")
_NO_AWSVPC = {
    "links": "Links are not supported when networkMode=awsvpc.",
    "hostname": "Hostname is not supported on container when networkMode=awsvpc.",
    "dnsServers": "DNS servers are not supported on container when networkMode=awsvpc.",
    "dnsSearchDomains": "DNS search domains are not supported on container when networkMode=awsvpc.",
    "extraHosts": "Extra hosts are not supported on container when networkMode=awsvpc.",
    "disableNetworking": "Disable Networking is not supported on container when networkMode=awsvpc.",
}


def check_names(containers: Sequence[Shape]) -> None:
    """Raise unless there are one to ten containers with valid, different names and images, one of them essential."""
    if not containers:
        raise InvalidTaskDefinition("Container list cannot be empty.")
    if len(containers) > MAX_CONTAINERS:
        raise InvalidTaskDefinition(f"Too many containers. Limit {MAX_CONTAINERS}.")
    seen: set[str] = set()
    for container in containers:
        name = container.get("name")
        if not name:
            raise InvalidTaskDefinition("Container.name should not be null or empty.")
        if not _NAME.fullmatch(name):
            raise InvalidTaskDefinition("Container.name contains invalid characters.")
        if name in seen:
            raise InvalidTaskDefinition(f"Container.name '{name}' is duplicated.")
        seen.add(name)
        if not container.get("image"):
            raise InvalidTaskDefinition("Container.image should not be null or empty.")
        if not _IMAGE.fullmatch(container["image"]):
            raise InvalidTaskDefinition("Container.image contains invalid characters.")
    if not any(is_essential(container) for container in containers):
        raise InvalidTaskDefinition("Task definition doesn't have any essential container.")


def check_resources(containers: Sequence[Shape], task_cpu: int | None, task_memory: int | None) -> None:
    """Raise unless memory and CPU of the containers are given where they must be and fit into the task's."""
    for container in containers:
        _check_memory(container, task_memory)
    cpu = sum(container.get("cpu") or 0 for container in containers)
    if task_cpu is not None and cpu > task_cpu:
        raise InvalidTaskDefinition(
            "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'."
        )
    reserved = sum(container.get("memoryReservation") or container.get("memory") or 0 for container in containers)
    if task_memory is not None and reserved > task_memory:
        raise InvalidTaskDefinition(
            "The sum of all container 'memoryReservation' values cannot be greater than the value of the task 'memory'."
        )


def check_least(container: Shape) -> None:
    """Raise for less memory or CPU than a container can have."""
    name = container["name"]
    for kind in ("memory", "memoryReservation"):
        value = container.get(kind)
        if value is not None and value < MIN_MEMORY:
            raise InvalidTaskDefinition(
                f"Invalid '{kind}' setting for container '{name}'. The minimum value is {MIN_MEMORY} MiB."
            )
    if (container.get("cpu") or 0) < 0:
        raise InvalidTaskDefinition(f"Invalid 'cpu' setting for container '{name}'.")


def _check_memory(container: Shape, task_memory: int | None) -> None:
    name, memory, reserved = container["name"], container.get("memory"), container.get("memoryReservation")
    if memory is None and reserved is None and task_memory is None:
        raise InvalidTaskDefinition(
            f"Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
        )
    check_least(container)
    if memory is not None and reserved is not None and reserved > memory:
        raise InvalidTaskDefinition(
            f"Invalid setting for container '{name}'. 'memory' must be greater than or equal to 'memoryReservation'."
        )
    if memory is not None and task_memory is not None and memory > task_memory:
        raise InvalidTaskDefinition(f"The 'memory' setting for container '{name}' is greater than for the task.")


def check_network_options(container: Shape, mode: str) -> None:
    """Raise for what containers that share an interface can't have."""
    if mode != AWSVPC:
        return
    for member, message in _NO_AWSVPC.items():
        if container.get(member):
            raise InvalidTaskDefinition(message)


def check_environment(variables: Sequence[Shape]) -> None:
    """Raise for a variable without a name, which no process can have."""
    if not all((variable.get("name") or "").strip() for variable in variables):
        raise InvalidTaskDefinition("Environment variable name cannot be null or blank.")


def check_timeouts(container: Shape) -> None:
    """Raise for a start or stop timeout below two seconds."""
    for member, kind in (("startTimeout", "start"), ("stopTimeout", "stop")):
        value = container.get(member)
        if value is not None and value < 2:
            raise InvalidTaskDefinition(
                f"Granular {kind} timeout on container '{container['name']}' must be at least 2 seconds."
            )


def check_health_check(container: Shape) -> None:
    """Raise unless the health check is one that Docker takes (intervals in seconds)."""
    check: Shape | None = container.get("healthCheck")
    if check is None:
        return
    command: list[str] = check.get("command") or []
    if not command or command[0] not in ("CMD", "CMD-SHELL", "NONE"):
        raise InvalidTaskDefinition("Health check command must start with CMD or CMD-SHELL.")
    limits = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
    for member, (least, most) in limits.items():
        value = check.get(member)
        if value is not None and not least <= value <= most:
            raise InvalidTaskDefinition(f"Health check {member} must be between {least} and {most}.")


def check_system_controls(container: Shape) -> None:
    """Raise for a kernel parameter without its name or its value."""
    for control in container.get("systemControls") or ():
        if not control.get("namespace") or control.get("value") is None:
            raise InvalidTaskDefinition(
                f"Invalid system control for container '{container['name']}'. Both 'namespace' and 'value' must be specified."
            )


def check_secrets(container: Shape) -> None:
    """Raise for a secret whose ARN is none."""
    for secret in container.get("secrets") or ():
        if secret["valueFrom"].startswith("arn:"):
            try:
                Arn.parse(secret["valueFrom"])
            except InvalidArn as error:
                raise InvalidTaskDefinition(f"Invalid ARN for secret '{secret['name']}'.") from error


def check_log_driver(container: Shape) -> None:
    """Raise when awslogs lacks an option that it needs."""
    logs: Shape | None = container.get("logConfiguration")
    if logs is None or logs.get("logDriver") != awslogs.DRIVER:
        return
    options: Shape = logs.get("options") or {}
    missing = [name for name in ("awslogs-region", "awslogs-group") if not options.get(name)]
    if missing:
        raise InvalidTaskDefinition(f"Log driver awslogs requires options: {', '.join(missing)}")


def check_mounts(containers: Sequence[Shape], volumes: Sequence[Shape]) -> None:
    """Raise for a mount of a volume, or of a container's volumes, that the task does not have."""
    names = [volume.get("name") or "" for volume in volumes]
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidTaskDefinition("Volume.name contains invalid characters.")
        if names.count(name) > 1:
            raise InvalidTaskDefinition(f"Volume.name '{name}' is duplicated.")
    siblings = {container["name"] for container in containers}
    for container in containers:
        for mount in container.get("mountPoints") or ():
            if mount.get("sourceVolume") not in names:
                raise InvalidTaskDefinition(f"Unknown volume '{mount.get('sourceVolume')}'.")
        for source in container.get("volumesFrom") or ():
            if source.get("sourceContainer") not in siblings:
                raise InvalidTaskDefinition(f"Unknown container '{source.get('sourceContainer')}'.")
