"""From a task's description to what the runtime is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roadstead.agent.ecs.launch import UnusableTask, container_spec, environment, isolation_of, read_task, runtime_id
from roadstead.agent.ecs.network.plan import InvalidInterface, NoLinkAddress, free_link_address, plan_network
from roadstead.agent.ecs.steps import stop_signal
from roadstead.agent.runtime.model import Image, ImageConfig, Isolation, Output
from roadstead.wire.docker import ContainerConfig, Healthcheck, HostConfig, LogConfig, write
from roadstead.wire.task import (
    Container,
    DockerConfig,
    ElasticNetworkInterface,
    EnvironmentFile,
    HostVolumeProperties,
    IAMRoleCredentials,
    IPv4AddressAssignment,
    RestartPolicy,
    Secret,
    Task,
    Volume,
)

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef"


def task(*containers: Container, **more) -> Task:
    return Task(arn=ARN, network_mode="awsvpc", launch_type="FARGATE", containers=containers, **more)


def docker(config: ContainerConfig | None = None, host: HostConfig | None = None) -> DockerConfig:
    return DockerConfig(config=write(config or ContainerConfig()), host_config=write(host or HostConfig()))


def test_health_checks_come_in_nanoseconds():
    check = Healthcheck(test=("CMD-SHELL", "curl -f localhost"), interval=10_000_000_000, retries=2)
    launch = read_task(task(Container(name="a", docker_config=docker(ContainerConfig(healthcheck=check)))))["a"]
    rule = launch.health_rule
    assert rule is not None
    assert rule.command == ("/bin/sh", "-c", "curl -f localhost")
    assert (rule.interval, rule.timeout, rule.retries, rule.start_period) == (10.0, 5.0, 2, 0.0)


def test_a_check_of_none_is_no_check():
    none = docker(ContainerConfig(healthcheck=Healthcheck(test=("NONE",))))
    assert read_task(task(Container(name="a", docker_config=none)))["a"].health_rule is None


def test_a_restart_policy_counts_only_when_it_is_on():
    policy = RestartPolicy(enabled=True, ignored_exit_codes=(0,), restart_attempt_period=60)
    launches = read_task(
        task(Container(name="a", restart_policy=policy), Container(name="b", restart_policy=RestartPolicy()))
    )
    rule = launches["a"].restart_rule
    assert rule is not None
    assert (rule.ignored_exit_codes, rule.period) == ({0}, 60.0)
    assert launches["b"].restart_rule is None


@pytest.mark.parametrize(
    "unusable",
    [
        task(),
        task(Container(name="../a")),
        task(Container(name="a", secrets=(Secret(name="S"),))),
        task(Container(name="a", environment_files=(EnvironmentFile(type="s3"),))),
        task(Container(name="a", privileged=True)),
        task(Container(name="a", docker_config=docker(host=HostConfig(log_config=LogConfig(type="splunk"))))),
        task(Container(name="a", docker_config=DockerConfig(config="{nonsense"))),
        *(task(Container(name="a"), volumes=(Volume(name="v", type=kind),)) for kind in ("efs", "ebs", "s3files")),
        task(Container(name="a"), pid_mode="task"),
        task(Container(name="a"), ipc_mode="none"),
        task(Container(name="a"), enable_fault_injection=True),
        task(Container(name="a", links=("b",))),
        task(Container(name="a", docker_config=docker(ContainerConfig(tty=True)))),
        task(Container(name="a", docker_config=docker(ContainerConfig(open_stdin=True)))),
        task(Container(name="a", docker_config=docker(ContainerConfig(network_disabled=True)))),
        task(Container(name="a", docker_config=docker(host=HostConfig(security_opt=("label:type:x",))))),
        task(Container(name="a"), volumes=(Volume(name="../v"),)),
        task(Container(name="a"), volumes=(Volume(name="v", host=HostVolumeProperties(source_path="/etc")),)),
        Task(arn=ARN, network_mode="host", containers=(Container(name="a"),)),
    ],
)
def test_what_is_not_built_is_refused(unusable: Task):
    with pytest.raises(UnusableTask):
        read_task(unusable)


def test_the_environment_names_region_metadata_and_credentials_and_yields_to_the_definition():
    credentials = IAMRoleCredentials(credentials_id="abc")
    made = task(Container(name="a", environment={"AWS_REGION": "mine", "X": "1"}), role_credentials=credentials)
    variables = environment(made, read_task(made)["a"], task_endpoint="http://169.254.170.3:4566")
    assert variables["AWS_REGION"] == "mine"
    assert variables["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert variables["AWS_ENDPOINT_URL"] == "http://169.254.170.3:4566"
    assert variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] == "/v2/credentials/abc"
    assert variables["ECS_CONTAINER_METADATA_URI_V4"].startswith("http://169.254.170.2/v4/0123456789abcdef")
    assert variables["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"
    assert variables["X"] == "1"


def test_runtime_ids_differ_by_attempt_and_name_only():
    made = task(Container(name="a"))
    assert runtime_id(made, "a", 0) == runtime_id(made, "a", 0)
    assert len({runtime_id(made, name, attempt) for name in ("a", "b") for attempt in (0, 1)}) == 4


def test_a_container_becomes_a_specification():
    host = HostConfig(readonly_rootfs=True, cap_add=("SYS_PTRACE",), memory_reservation=64 << 20, shm_size=128 << 20)
    container = Container(
        name="a",
        command=("ignored",),
        overrides='{"command":["run"]}',
        cpu=128,
        memory=256,
        docker_config=docker(ContainerConfig(user="1000", working_dir="/srv", labels={"mine": "1"}), host),
    )
    made = task(container)
    spec = container_spec(
        made,
        read_task(made)["a"],
        identity="id",
        image=Image("r", "d", "m", "c", ImageConfig(), 1),
        output=Output(Path("/o"), Path("/e")),
        mounts=(),
        variables={},
        hostname="h",
    )
    assert spec.command == ("run",)
    assert (spec.user, spec.working_directory, spec.readonly_root) == ("1000", "/srv", True)
    assert (spec.cpu_units, spec.memory_mib, spec.memory_reservation_mib, spec.shm_size_mib) == (128, 256, 64, 128)
    assert spec.capabilities_add == ("SYS_PTRACE",)
    assert (spec.labels["com.amazonaws.ecs.container-name"], spec.labels["mine"]) == ("a", "1")


def test_fargate_is_sandboxed_and_nothing_else():
    assert isolation_of(task(), "gvisor") is Isolation.GVISOR
    assert isolation_of(task(), "runc") is Isolation.RUNC
    assert isolation_of(Task(arn=ARN, launch_type="EC2"), "gvisor") is Isolation.RUNC


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 15),
        ("SIGQUIT", 3),
        ("QUIT", 3),
        ("9", 9),
        ("SIGRTMIN+3", 37),
        ("SIGRTMAX", 64),
        ("SIGNONSENSE", 15),
        ("0", 15),
        ("65", 15),
        ("SIGRTMIN+31", 15),
        ("SIGRTMIN+-40", 15),
        ("²", 15),
        ("9" * 5000, 15),
    ],
)
def test_stop_signals(text: str, number: int):
    assert stop_signal(text) == number


def interface(index: int = 0, **more) -> ElasticNetworkInterface:
    values: dict[str, Any] = {
        "ec2_id": f"eni-{index}",
        "mac_address": "0A:00:00:00:00:01",
        "index": index,
        "ipv4_addresses": (IPv4AddressAssignment(private_address="10.0.0.9"),),
        "subnet_gateway_ipv4_address": "10.0.0.1/20",
    }
    return ElasticNetworkInterface(**{**values, **more})


def test_interfaces_are_planned_by_their_index():
    plan = plan_network([interface(1), interface(0)], default_nameserver="169.254.169.253")
    assert [each.device for each in plan.interfaces] == ["eth0", "eth1"]
    assert str(plan.interfaces[0].address) == "10.0.0.9/20"
    assert plan.interfaces[0].mac == "0a:00:00:00:00:01"
    assert plan.nameservers == ("169.254.169.253",)
    assert plan.hostname == "ip-10-0-0-9"


@pytest.mark.parametrize(
    "broken",
    [
        [],
        [interface(ipv4_addresses=())],
        [interface(subnet_gateway_ipv4_address="10.0.0.1")],
        [interface(subnet_gateway_ipv4_address="x/20")],
    ],
)
def test_interfaces_that_can_not_be_configured(broken: list[ElasticNetworkInterface]):
    with pytest.raises(InvalidInterface):
        plan_network(broken, default_nameserver="")


def test_link_addresses_are_used_again_and_run_out():
    assert free_link_address([]) == "169.254.172.2"
    assert free_link_address(["169.254.172.2", "169.254.172.4"]) == "169.254.172.3"
    everything = [f"169.254.{third}.{fourth}" for third in range(172, 176) for fourth in range(256)]
    with pytest.raises(NoLinkAddress):
        free_link_address(everything)
