"""From a task as the control plane describes it to what the runtime is asked for. Values in, values out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from roadstead.agent.ecs.records import task_id
from roadstead.agent.runtime.model import ContainerSpec, Image, Isolation, Mount, Output, TaskSpec, Ulimit
from roadstead.core.taskdef import awslogs
from roadstead.core.taskengine.health import HealthRule
from roadstead.core.taskengine.model import Condition, Dependency
from roadstead.core.taskengine.restart import RestartRule
from roadstead.kernel.arn import Arn
from roadstead.kernel.settings import CREDENTIALS_ADDRESS
from roadstead.wire.docker import ContainerConfig, HostConfig, LogConfig, read_config, read_host_config
from roadstead.wire.task import Container, Task

FARGATE = "FARGATE"
AWSVPC_MODES = frozenset({"awsvpc", "ENI", "eni"})
DEFAULT_STOP_TIMEOUT = 30.0
LOG_DRIVERS = frozenset({"", "none", awslogs.DRIVER, "json-file"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NO_NEW_PRIVILEGES = "no-new-privileges"
_CPU_UNITS = 1024
_MIB = 1024 * 1024
_NANOSECONDS = 1_000_000_000


class UnusableTask(Exception):
    """The task can't be run here; the text is its reason."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A container of a task, with its Docker JSON read."""

    container: Container
    config: ContainerConfig
    host: HostConfig

    @property
    def log_config(self) -> LogConfig:
        """Where its output goes; without a driver, nowhere but the spool."""
        return self.host.log_config or LogConfig()

    @property
    def stop_timeout(self) -> float:
        """Seconds between the stop signal and SIGKILL."""
        timeout = self.container.stop_timeout
        return DEFAULT_STOP_TIMEOUT if timeout is None else float(timeout)

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """Its `dependsOn`; mounts taken from another container wait for that one's start."""
        declared = tuple(
            Dependency(each.container_name, Condition(each.condition)) for each in self.container.depends_on
        )
        named = {each.container for each in declared}
        return declared + tuple(
            Dependency(each.source_container, Condition.START)
            for each in self.container.volumes_from
            if each.source_container not in named
        )

    @property
    def restart_rule(self) -> RestartRule | None:
        """Its restart policy, when it is on."""
        policy = self.container.restart_policy
        if policy is None or not policy.enabled:
            return None
        return RestartRule(frozenset(policy.ignored_exit_codes), float(policy.restart_attempt_period))

    @property
    def health_rule(self) -> HealthRule | None:
        """Its health check; Docker's nanoseconds become seconds, zeros the defaults."""
        check = self.config.healthcheck
        if check is None or not check.test or check.test[0] == "NONE":
            return None
        kind, *rest = check.test
        command = ("/bin/sh", "-c", " ".join(rest)) if kind == "CMD-SHELL" else tuple(rest)
        return HealthRule(
            command=command,
            interval=check.interval / _NANOSECONDS or 30.0,
            timeout=check.timeout / _NANOSECONDS or 5.0,
            retries=check.retries or 3,
            start_period=check.start_period / _NANOSECONDS,
        )


def read_task(task: Task) -> dict[str, Launch]:
    """The containers of a task by name; raises UnusableTask for what can't be read or isn't built here."""
    if not task.containers:
        raise UnusableTask("the task has no container")
    mode = task.network_mode or ("awsvpc" if task.elastic_network_interfaces else "bridge")
    if mode not in AWSVPC_MODES and mode != "none":
        raise UnusableTask(f"this agent does not support the network mode {mode}")
    for named, value in (("PID mode", task.pid_mode), ("IPC mode", task.ipc_mode)):
        if value:
            raise UnusableTask(f"this agent does not support the {named} {value}")
    if task.enable_fault_injection:
        raise UnusableTask("this agent does not support fault injection")
    for volume in task.volumes:
        if not _NAME.fullmatch(volume.name):
            raise UnusableTask(f"the volume name {volume.name!r} is not valid")
        if task.launch_type == FARGATE and volume.host is not None and volume.host.source_path:
            raise UnusableTask("a task on Fargate can't mount directories of its host")
        if volume.type not in ("host", "docker"):
            raise UnusableTask(f"this agent does not support volumes of type {volume.type}")
    launches: dict[str, Launch] = {}
    for container in task.containers:
        if not _NAME.fullmatch(container.name):
            raise UnusableTask(f"the container name {container.name!r} is not valid")
        docker = container.docker_config
        try:
            launch = Launch(
                container,
                read_config(docker.config if docker else ""),
                read_host_config(docker.host_config if docker else ""),
            )
            _ = launch.dependencies
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnusableTask(f"container {container.name} can't be read: {error}") from error
        _check(task, launch)
        launches[container.name] = launch
    return launches


def _check(task: Task, launch: Launch) -> None:
    """Raise UnusableTask for what the container asks for and would not get."""
    container, config, host = launch.container, launch.config, launch.host
    if launch.log_config.type not in LOG_DRIVERS:
        raise UnusableTask(f"this agent does not support the log driver {launch.log_config.type}")
    if task.launch_type == FARGATE and (container.privileged or host.privileged):
        raise UnusableTask("a task on Fargate can't run privileged containers")
    unbuilt = {
        "secrets": container.secrets,
        "environment files": container.environment_files,
        "links": container.links,
        "pseudo terminals": config.tty,
        "an open standard input": config.open_stdin,
        "containers without a network": config.network_disabled,
    }
    unbuilt |= {f"the security option {option}": True for option in host.security_opt if option != _NO_NEW_PRIVILEGES}
    for named, asked in unbuilt.items():
        if asked:
            raise UnusableTask(f"this agent does not support {named}")


def isolation_of(task: Task, fargate_runtime: str) -> Isolation:
    """A gVisor sandbox for FARGATE unless runc is set; runc for everything else."""
    return Isolation(fargate_runtime) if task.launch_type == FARGATE else Isolation.RUNC


def task_spec(task: Task, *, isolation: Isolation, namespace: Path, hostname: str) -> TaskSpec:
    """What the containers share."""
    return TaskSpec(
        id=task_id(task.arn),
        isolation=isolation,
        cpu_units=round(task.cpu * _CPU_UNITS) or None,
        memory_mib=task.memory or None,
        network_namespace=str(namespace),
        hostname=hostname,
    )


def endpoint_id(task: Task, container: str) -> str:
    """What names a container in its metadata URI: the same over restarts, not guessable only by being bound to its address."""
    return f"{task_id(task.arn)}-{_number(container)}"


def runtime_id(task: Task, container: str, attempt: int) -> str:
    """The id of a container at the runtime, in the shape of Fargate's; a restarted container has a new one."""
    return f"{task_id(task.arn)}-{_number(f'{container}/{attempt}')}"


def _number(text: str) -> str:
    return f"{int.from_bytes(sha256(text.encode()).digest()[:8]) % 10**10:010}"


def environment(task: Task, launch: Launch, *, task_endpoint: str) -> dict[str, str]:
    """The container's variables: those that ECS gives, below those that the definition sets."""
    own = launch.container.environment
    region = Arn.parse(task.arn).region
    identity = endpoint_id(task, launch.container.name)
    given = {
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": task_endpoint,
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE" if task.launch_type == FARGATE else "AWS_ECS_EC2",
        "ECS_AGENT_URI": f"http://{CREDENTIALS_ADDRESS}/api/{identity}",
        "ECS_CONTAINER_METADATA_URI": f"http://{CREDENTIALS_ADDRESS}/v3/{identity}",
        "ECS_CONTAINER_METADATA_URI_V4": f"http://{CREDENTIALS_ADDRESS}/v4/{identity}",
    }
    if task.role_credentials is not None:
        given["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = f"/v2/credentials/{task.role_credentials.credentials_id}"
    return {**given, **own}


def labels(task: Task, container: str) -> dict[str, str]:
    """The labels by which ECS marks a container."""
    return {
        "com.amazonaws.ecs.cluster": task.task_cluster_arn,
        "com.amazonaws.ecs.container-name": container,
        "com.amazonaws.ecs.task-arn": task.arn,
        "com.amazonaws.ecs.task-definition-family": task.family,
        "com.amazonaws.ecs.task-definition-version": task.version,
    }


class _Overrides(msgspec.Struct, frozen=True):
    command: tuple[str, ...] | None = None


def container_spec(
    task: Task,
    launch: Launch,
    *,
    identity: str,
    image: Image,
    output: Output,
    mounts: tuple[Mount, ...],
    variables: Mapping[str, str],
    hostname: str,
) -> ContainerSpec:
    """The container as the runtime shall make it. Raises msgspec.MsgspecError for overrides that can't be read."""
    container, config, host = launch.container, launch.config, launch.host
    overrides = msgspec.json.decode(container.overrides, type=_Overrides) if container.overrides else _Overrides()
    linux = container.linux_parameters
    capabilities = linux.capabilities if linux else None
    shared_memory = linux.shared_memory_size if linux and linux.shared_memory_size else host.shm_size // _MIB
    command = container.command or None
    return ContainerSpec(
        id=identity,
        task_id=task_id(task.arn),
        image=image,
        output=output,
        entrypoint=container.entry_point,
        command=command if overrides.command is None else overrides.command,
        environment=variables,
        user=config.user or None,
        working_directory=config.working_dir or None,
        hostname=config.hostname or hostname,
        mounts=mounts,
        tmpfs=host.tmpfs,
        shm_size_mib=shared_memory or 64,
        readonly_root=host.readonly_rootfs,
        privileged=container.privileged or host.privileged,
        init=bool(linux and linux.init_process_enabled) or host.init,
        capabilities_add=(*host.cap_add, *(capabilities.add if capabilities else ())),
        capabilities_drop=(*host.cap_drop, *(capabilities.drop if capabilities else ())),
        no_new_privileges=_NO_NEW_PRIVILEGES in host.security_opt,
        ulimits=tuple(Ulimit(limit.name, limit.soft, limit.hard) for limit in host.ulimits),
        sysctls=host.sysctls,
        cpu_units=container.cpu,
        memory_mib=container.memory or None,
        memory_reservation_mib=host.memory_reservation // _MIB or None,
        labels={**config.labels, **labels(task, container.name)},
    )
