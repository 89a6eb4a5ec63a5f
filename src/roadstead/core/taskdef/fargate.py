"""What Fargate asks of a task definition beyond what every task definition satisfies."""

from __future__ import annotations

from collections.abc import Callable

from roadstead.core.taskdef import awslogs
from roadstead.core.taskdef.errors import InvalidTaskDefinition
from roadstead.core.taskdef.shapes import AWSVPC, Shape, containers, inner, log_driver, network_mode
from roadstead.core.taskdef.sizes import check_fargate_size

LOG_DRIVERS = (awslogs.DRIVER, "splunk", "awsfirelens")
MAX_STOP_TIMEOUT = 120
STORAGE = range(21, 201)
"""GiB of ephemeral storage that can be asked for."""
_UNSUPPORTED = "Fargate compatible task definitions do not support {}"


def check_fargate(definition: Shape, *, cpu: int | None, memory: int | None, is_ecr: Callable[[str], bool]) -> None:
    """Raise InvalidTaskDefinition unless the definition can run on Fargate. CPU in units, memory in MiB."""
    if network_mode(definition) != AWSVPC:
        raise InvalidTaskDefinition("Fargate only supports network mode ‘awsvpc’.")
    check_fargate_size(cpu, memory)
    _check_storage(definition)
    _check_task(definition)
    for container in containers(definition):
        _check_container(container)
    _check_execution_role(definition, is_ecr)
    _check_stream_prefix(definition)


def _check_execution_role(definition: Shape, is_ecr: Callable[[str], bool]) -> None:
    if definition.get("executionRoleArn"):
        return
    needs = "Fargate requires task definition to have execution role ARN to support {}."
    for container in containers(definition):
        if is_ecr(container["image"]):
            raise InvalidTaskDefinition(needs.format("ECR images"))
        if log_driver(container) == awslogs.DRIVER:
            raise InvalidTaskDefinition(needs.format("log driver awslogs"))


def _check_stream_prefix(definition: Shape) -> None:
    for container in containers(definition):
        options = inner(inner(container, "logConfiguration"), "options")
        if log_driver(container) == awslogs.DRIVER and not options.get("awslogs-stream-prefix"):
            raise InvalidTaskDefinition(
                "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs."
            )


def _check_storage(definition: Shape) -> None:
    storage: Shape | None = definition.get("ephemeralStorage")
    if storage is not None and storage.get("sizeInGiB") not in STORAGE:
        raise InvalidTaskDefinition("Ephemeral storage size must be between 21 and 200 GiB.")


def _check_task(definition: Shape) -> None:
    if definition.get("ipcMode"):
        raise InvalidTaskDefinition("Tasks using the Fargate launch type do not support ipcMode.")
    pid_mode = definition.get("pidMode")
    if pid_mode not in (None, "task"):
        raise InvalidTaskDefinition(
            f"Tasks using the Fargate launch type do not support pidMode '{pid_mode}'. The supported value for pidMode is 'task'."
        )
    if definition.get("placementConstraints"):
        raise InvalidTaskDefinition(_UNSUPPORTED.format("placementConstraints"))
    for volume in definition.get("volumes") or ():
        if inner(volume, "host").get("sourcePath"):
            raise InvalidTaskDefinition(_UNSUPPORTED.format("sourcePath"))
        if volume.get("dockerVolumeConfiguration"):
            raise InvalidTaskDefinition(_UNSUPPORTED.format("dockerVolumeConfiguration"))


def _check_container(container: Shape) -> None:
    if container.get("privileged"):
        raise InvalidTaskDefinition(_UNSUPPORTED.format("privileged"))
    if container.get("dockerSecurityOptions"):
        raise InvalidTaskDefinition(_UNSUPPORTED.format("dockerSecurityOptions"))
    if any(each.get("type") == "GPU" for each in container.get("resourceRequirements") or ()):
        raise InvalidTaskDefinition("Tasks using the Fargate launch type do not support GPU resource requirements.")
    driver = log_driver(container)
    if driver is not None and driver not in LOG_DRIVERS:
        raise InvalidTaskDefinition(f"{driver} is not a valid log driver. Must be one of [{','.join(LOG_DRIVERS)}]")
    if (container.get("stopTimeout") or 0) > MAX_STOP_TIMEOUT:
        raise InvalidTaskDefinition(
            f"Tasks using the Fargate launch type must have a container stop timeout of less than {MAX_STOP_TIMEOUT} seconds."
        )
    linux = inner(container, "linuxParameters")
    for member in ("devices", "sharedMemorySize", "maxSwap", "swappiness"):
        if linux.get(member):
            raise InvalidTaskDefinition(_UNSUPPORTED.format(member))
    added: list[str] = inner(linux, "capabilities").get("add") or []
    if any(capability != "SYS_PTRACE" for capability in added):
        raise InvalidTaskDefinition("Fargate compatible task definitions support only SYS_PTRACE in capabilities add")
