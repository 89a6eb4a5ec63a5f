"""The task as the Agent Communication Service describes it to an agent: member names are those of Amazon's own agent.

Sizes are MiB and CPU units unless a member says otherwise; time-outs are seconds. What a container runtime needs beyond these members
travels in `DockerConfig` as Docker Engine API JSON (see `wire.docker`).
"""

from __future__ import annotations

import msgspec

from roadstead.wire.members import written


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class IAMRoleCredentials(_Wire, frozen=True, kw_only=True):
    """A session of a role; `expiration` is RFC 3339 text, `credentials_id` names it in the task's credentials endpoint."""

    credentials_id: str = ""
    role_arn: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    expiration: str = ""


class IPv4AddressAssignment(_Wire, frozen=True, kw_only=True):
    """An address of an interface, without its prefix length."""

    private_address: str
    primary: bool = written(False)


class ElasticNetworkInterface(_Wire, frozen=True, kw_only=True):
    """The interface of an awsvpc task; `subnet_gateway_ipv4_address` is `ADDRESS/PREFIX`, and gives the address its prefix length."""

    ec2_id: str
    mac_address: str
    attachment_arn: str = ""
    index: int = written(0)
    name: str = ""
    ipv4_addresses: tuple[IPv4AddressAssignment, ...] = ()
    subnet_gateway_ipv4_address: str = ""
    private_dns_name: str = ""
    domain_name: tuple[str, ...] = ()
    domain_name_servers: tuple[str, ...] = ()
    interface_association_protocol: str = written("default")


class PortMapping(_Wire, frozen=True, kw_only=True):
    """A published port; in awsvpc mode the host's port is the container's."""

    container_port: int | None = None
    host_port: int | None = None
    protocol: str = written("tcp")
    container_port_range: str | None = None


class MountPoint(_Wire, frozen=True, kw_only=True):
    """Where a volume of the task appears in a container."""

    source_volume: str = ""
    container_path: str = ""
    read_only: bool = written(False)


class VolumeFrom(_Wire, frozen=True, kw_only=True):
    """Mounts of another container of the task, taken over."""

    source_container: str = ""
    read_only: bool = written(False)


class ContainerDependency(_Wire, frozen=True, kw_only=True):
    """`condition` is START, COMPLETE, SUCCESS or HEALTHY."""

    container_name: str
    condition: str


class RestartPolicy(_Wire, frozen=True, kw_only=True):
    """When a container that exits is started again; `restart_attempt_period` in seconds, 60 to 1800."""

    enabled: bool = written(False)
    ignored_exit_codes: tuple[int, ...] = ()
    restart_attempt_period: int = written(300)


class DockerConfig(_Wire, frozen=True, kw_only=True):
    """Docker Engine API JSON: `config` is a ContainerConfig, `host_config` a HostConfig."""

    version: str = written("1.21")
    config: str = ""
    host_config: str = ""


class ECRAuthData(_Wire, frozen=True, kw_only=True):
    """A registry whose token comes from GetAuthorizationToken, with the execution role's credentials where it says so."""

    registry_id: str = ""
    region: str = ""
    endpoint_override: str = ""
    use_execution_role: bool = written(False)


class ASMAuthData(_Wire, frozen=True, kw_only=True):
    """A registry whose user and password are a secret."""

    credentials_parameter: str = ""
    region: str = ""


class RegistryAuthenticationData(_Wire, frozen=True, kw_only=True):
    """How to sign in to a container's registry: `type` is `ecr` or `asm`."""

    type: str = ""
    ecr_auth_data: ECRAuthData | None = None
    asm_auth_data: ASMAuthData | None = None


class Secret(_Wire, frozen=True, kw_only=True):
    """A secret that becomes an environment variable or a log option."""

    name: str = ""
    value_from: str = ""
    provider: str = ""
    region: str = ""
    target: str = ""
    type: str = ""
    container_path: str = ""


class EnvironmentFile(_Wire, frozen=True, kw_only=True):
    """A file of variables; `type` is s3 and `value` the object's ARN."""

    type: str = ""
    value: str = ""


class KernelCapabilities(_Wire, frozen=True, kw_only=True):
    """Capabilities beyond or below the default set, without the CAP_ prefix."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class LinuxParameters(_Wire, frozen=True, kw_only=True):
    """Linux settings of a container; `shared_memory_size` in MiB."""

    capabilities: KernelCapabilities | None = None
    init_process_enabled: bool = written(False)
    shared_memory_size: int | None = None


class Container(_Wire, frozen=True, kw_only=True):
    """One container of a task; `cpu` in CPU units, `memory` in MiB (0: no limit of its own)."""

    name: str
    image: str = ""
    container_arn: str = ""
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] | None = None
    cpu: int = written(0)
    memory: int = written(0)
    essential: bool = written(False)
    environment: dict[str, str] = {}
    environment_files: tuple[EnvironmentFile, ...] = ()
    links: tuple[str, ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()
    mount_points: tuple[MountPoint, ...] = ()
    volumes_from: tuple[VolumeFrom, ...] = ()
    linux_parameters: LinuxParameters | None = None
    privileged: bool = written(False)
    overrides: str = ""
    docker_config: DockerConfig | None = None
    health_check_type: str = ""
    registry_authentication: RegistryAuthenticationData | None = None
    secrets: tuple[Secret, ...] = ()
    depends_on: tuple[ContainerDependency, ...] = ()
    start_timeout: int | None = None
    stop_timeout: int | None = None
    restart_policy: RestartPolicy | None = None
    logs_auth_strategy: str = ""


class HostVolumeProperties(_Wire, frozen=True, kw_only=True):
    """A directory of the host; an empty path asks for one that lives as long as the task."""

    source_path: str = ""


class DockerVolumeConfiguration(_Wire, frozen=True, kw_only=True):
    """A named volume; `scope` is task or shared."""

    scope: str = written("task")
    driver: str = written("local")
    autoprovision: bool = written(False)
    driver_opts: dict[str, str] = {}
    labels: dict[str, str] = {}


class Volume(_Wire, frozen=True, kw_only=True):
    """A volume of a task; `type` is `host`, `docker`, `efs`, `ebs` or `fsxWindowsFileServer`."""

    name: str = ""
    type: str = written("host")
    host: HostVolumeProperties | None = None
    docker_volume_configuration: DockerVolumeConfiguration | None = None


class Task(_Wire, frozen=True, kw_only=True):
    """A task and the state it shall reach (`RUNNING` or `STOPPED`); `cpu` in vCPUs, `memory` in MiB."""

    arn: str
    task_cluster_arn: str = ""
    family: str = ""
    version: str = ""
    desired_status: str = written("RUNNING")
    overrides: str = ""
    zone: str = ""
    task_definition_account_id: str = ""
    containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    role_credentials: IAMRoleCredentials | None = None
    execution_role_credentials: IAMRoleCredentials | None = None
    elastic_network_interfaces: tuple[ElasticNetworkInterface, ...] = ()
    cpu: float = written(0.0)
    memory: int = written(0)
    pid_mode: str = ""
    ipc_mode: str = ""
    launch_type: str = ""
    network_mode: str = ""
    service_name: str = ""
    group: str = ""
    enable_fault_injection: bool = written(False)
