"""A container as its agent is told of it."""

from __future__ import annotations

from typing import Any

from roadstead.core.taskdef import awslogs
from roadstead.core.taskdef.shapes import AWSVPC, inner
from roadstead.kernel.settings import Deployment
from roadstead.services.ecs.records import TaskRecord
from roadstead.services.ecs.task_definitions import ecr_of
from roadstead.wire.docker import ContainerConfig, Healthcheck, HostConfig, LogConfig, Ulimit, write
from roadstead.wire.task import (
    ASMAuthData,
    Container,
    ContainerDependency,
    DockerConfig,
    ECRAuthData,
    EnvironmentFile,
    KernelCapabilities,
    LinuxParameters,
    MountPoint,
    PortMapping,
    RegistryAuthenticationData,
    RestartPolicy,
    Secret,
    VolumeFrom,
)

Shape = dict[str, Any]
_MIB = 1024 * 1024
_SECOND = 1_000_000_000


def container_payload(deployment: Deployment, task: TaskRecord, definition: Shape, *, container_arn: str) -> Container:
    """One container definition, overrides applied, in the agent's shape."""
    checked = inner(definition, "healthCheck")
    return Container(
        name=definition["name"],
        image=definition["image"],
        container_arn=container_arn,
        command=tuple(definition.get("command") or ()),
        entry_point=tuple(definition["entryPoint"]) if definition.get("entryPoint") is not None else None,
        cpu=definition.get("cpu") or 0,
        memory=definition.get("memory") or 0,
        essential=definition.get("essential") is not False,
        environment=environment(deployment, task.region, definition),
        environment_files=tuple(
            EnvironmentFile(type=each["type"], value=each["value"]) for each in definition.get("environmentFiles") or ()
        ),
        links=tuple(definition.get("links") or ()),
        port_mappings=tuple(_port(each) for each in definition.get("portMappings") or ()),
        mount_points=tuple(
            MountPoint(
                source_volume=each.get("sourceVolume") or "",
                container_path=each.get("containerPath") or "",
                read_only=bool(each.get("readOnly")),
            )
            for each in definition.get("mountPoints") or ()
        ),
        volumes_from=tuple(
            VolumeFrom(source_container=each["sourceContainer"], read_only=bool(each.get("readOnly")))
            for each in definition.get("volumesFrom") or ()
        ),
        linux_parameters=_linux(definition),
        privileged=bool(definition.get("privileged")),
        overrides="{}",
        docker_config=DockerConfig(
            config=write(_config(definition, checked)), host_config=write(_host_config(task, definition))
        ),
        health_check_type="docker" if checked else "",
        registry_authentication=_registry(deployment, task, definition),
        secrets=tuple(_secret(each, task.region) for each in definition.get("secrets") or ()),
        depends_on=tuple(
            ContainerDependency(container_name=each["containerName"], condition=each["condition"])
            for each in definition.get("dependsOn") or ()
        ),
        start_timeout=definition.get("startTimeout"),
        stop_timeout=definition.get("stopTimeout"),
        restart_policy=_restart(definition.get("restartPolicy")),
        logs_auth_strategy="ExecutionRole" if task.spec.execution_role_arn else "InstanceRole",
    )


def environment(deployment: Deployment, region: str, definition: Shape) -> dict[str, str]:
    """The container's variables, with the API's endpoint and the region unless it sets them itself."""
    defaults = {
        "AWS_ENDPOINT_URL": deployment.task_endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
    own = {each["name"]: each.get("value") or "" for each in definition.get("environment") or ()}
    return {**defaults, **own}


def log_options(task: TaskRecord, definition: Shape) -> dict[str, str]:
    """Options of the log driver; awslogs gets its stream's name, and is non-blocking unless it says otherwise."""
    logs = inner(definition, "logConfiguration")
    options = {name: str(value) for name, value in inner(logs, "options").items()}
    if logs.get("logDriver") != awslogs.DRIVER:
        return options
    prefix = options.pop("awslogs-stream-prefix", None)
    options.setdefault("mode", awslogs.MODE)
    if prefix:
        options["awslogs-stream"] = f"{prefix}/{definition['name']}/{task.id}"
    return options


def _config(definition: Shape, checked: Shape) -> ContainerConfig:
    return ContainerConfig(
        user=definition.get("user") or "",
        working_dir=definition.get("workingDirectory") or "",
        hostname=definition.get("hostname") or "",
        labels=definition.get("dockerLabels") or {},
        healthcheck=Healthcheck(
            test=tuple(checked.get("command") or ()),
            interval=(checked.get("interval") or 0) * _SECOND,
            timeout=(checked.get("timeout") or 0) * _SECOND,
            retries=checked.get("retries") or 0,
            start_period=(checked.get("startPeriod") or 0) * _SECOND,
        )
        if checked
        else None,
        tty=bool(definition.get("pseudoTerminal")),
        open_stdin=bool(definition.get("interactive")),
        network_disabled=bool(definition.get("disableNetworking")),
    )


def _host_config(task: TaskRecord, definition: Shape) -> HostConfig:
    linux = inner(definition, "linuxParameters")
    capabilities = inner(linux, "capabilities")
    logs = inner(definition, "logConfiguration")
    return HostConfig(
        network_mode="" if task.spec.network_mode == AWSVPC else task.spec.network_mode,
        log_config=LogConfig(type=logs["logDriver"], config=log_options(task, definition)) if logs else None,
        ulimits=tuple(
            Ulimit(name=each["name"], soft=each["softLimit"], hard=each["hardLimit"])
            for each in definition.get("ulimits") or ()
        ),
        dns=tuple(definition.get("dnsServers") or ()),
        dns_search=tuple(definition.get("dnsSearchDomains") or ()),
        extra_hosts=tuple(f"{each['hostname']}:{each['ipAddress']}" for each in definition.get("extraHosts") or ()),
        memory_reservation=(definition.get("memoryReservation") or 0) * _MIB,
        cap_add=tuple(capabilities.get("add") or ()),
        cap_drop=tuple(capabilities.get("drop") or ()),
        readonly_rootfs=bool(definition.get("readonlyRootFilesystem")),
        privileged=bool(definition.get("privileged")),
        security_opt=tuple(definition.get("dockerSecurityOptions") or ()),
        sysctls={each["namespace"]: each["value"] for each in definition.get("systemControls") or ()},
        shm_size=(linux.get("sharedMemorySize") or 0) * _MIB,
        tmpfs={
            each["containerPath"]: ",".join([f"size={each['size']}m", *(each.get("mountOptions") or ())])
            for each in linux.get("tmpfs") or ()
        },
        init=bool(linux.get("initProcessEnabled")),
    )


def _linux(definition: Shape) -> LinuxParameters | None:
    linux = inner(definition, "linuxParameters")
    if not linux:
        return None
    capabilities = inner(linux, "capabilities")
    return LinuxParameters(
        capabilities=KernelCapabilities(
            add=tuple(capabilities.get("add") or ()), drop=tuple(capabilities.get("drop") or ())
        ),
        init_process_enabled=bool(linux.get("initProcessEnabled")),
        shared_memory_size=linux.get("sharedMemorySize"),
    )


def _registry(deployment: Deployment, task: TaskRecord, definition: Shape) -> RegistryAuthenticationData | None:
    secret = inner(definition, "repositoryCredentials").get("credentialsParameter")
    if secret:
        return RegistryAuthenticationData(
            type="asm", asm_auth_data=ASMAuthData(credentials_parameter=secret, region=task.region)
        )
    registry = ecr_of(deployment, definition["image"])
    if registry is None:
        return None
    return RegistryAuthenticationData(
        type="ecr",
        ecr_auth_data=ECRAuthData(
            registry_id=registry.account,
            region=registry.region,
            use_execution_role=task.spec.execution_role_arn is not None,
        ),
    )


def _port(given: Shape) -> PortMapping:
    return PortMapping(
        container_port=given.get("containerPort"),
        host_port=given.get("hostPort"),
        protocol=given.get("protocol") or "tcp",
        container_port_range=given.get("containerPortRange"),
    )


def _secret(given: Shape, region: str) -> Secret:
    value: str = given["valueFrom"]
    return Secret(
        name=given["name"],
        value_from=value,
        provider="asm" if value.startswith("arn:") and ":secretsmanager:" in value else "ssm",
        region=value.split(":")[3] if value.startswith("arn:") else region,
        type="ENVIRONMENT_VARIABLE",
    )


def _restart(given: Shape | None) -> RestartPolicy | None:
    if given is None:
        return None
    return RestartPolicy(
        enabled=bool(given.get("enabled")),
        ignored_exit_codes=tuple(given.get("ignoredExitCodes") or ()),
        restart_attempt_period=given.get("restartAttemptPeriod") or 300,
    )
