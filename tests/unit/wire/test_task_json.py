"""A task's JSON, as Amazon's agent reads it (`agent/api/task`, `agent/api/container` of amazon-ecs-agent)."""

from __future__ import annotations

import json

import msgspec
import pytest

from roadstead.wire import task
from roadstead.wire.docker import ContainerConfig, Healthcheck, HostConfig, LogConfig, write

CASES = {
    "the least task": (
        task.Task(arn="t"),
        """{"arn": "t", "desiredStatus": "RUNNING", "cpu": 0.0, "memory": 0, "enableFaultInjection": false}""",
    ),
    "a task": (
        task.Task(
            arn="t",
            task_cluster_arn="c",
            family="f",
            version="3",
            desired_status="STOPPED",
            overrides="{}",
            volumes=(task.Volume(name="v", host=task.HostVolumeProperties()),),
            role_credentials=task.IAMRoleCredentials(credentials_id="i", expiration="e"),
            cpu=0.25,
            memory=512,
            launch_type="FARGATE",
            network_mode="awsvpc",
            group="g",
            enable_fault_injection=True,
        ),
        """{"arn": "t", "taskClusterArn": "c", "family": "f", "version": "3", "desiredStatus": "STOPPED", "overrides": "{}",
            "volumes": [{"name": "v", "type": "host", "host": {}}],
            "roleCredentials": {"credentialsId": "i", "expiration": "e"}, "cpu": 0.25, "memory": 512,
            "launchType": "FARGATE", "networkMode": "awsvpc", "group": "g", "enableFaultInjection": true}""",
    ),
    "the least container": (
        task.Container(name="app"),
        """{"name": "app", "cpu": 0, "memory": 0, "essential": false, "privileged": false}""",
    ),
    "a container": (
        task.Container(
            name="app",
            image="i",
            container_arn="a",
            command=("run",),
            entry_point=(),
            essential=True,
            environment={"EMPTY": ""},
            environment_files=(task.EnvironmentFile(type="s3", value="arn"),),
            port_mappings=(task.PortMapping(container_port=80),),
            mount_points=(task.MountPoint(source_volume="v", container_path="/v"),),
            volumes_from=(task.VolumeFrom(source_container="other"),),
            linux_parameters=task.LinuxParameters(capabilities=task.KernelCapabilities(add=("NET_ADMIN",))),
            overrides="{}",
            docker_config=task.DockerConfig(host_config="{}"),
            health_check_type="docker",
            registry_authentication=task.RegistryAuthenticationData(
                type="ecr", ecr_auth_data=task.ECRAuthData(registry_id="1", region="r")
            ),
            secrets=(task.Secret(name="s", value_from="arn", provider="ssm", region="r", type="ENVIRONMENT_VARIABLE"),),
            depends_on=(task.ContainerDependency(container_name="other", condition="START"),),
            start_timeout=0,
            restart_policy=task.RestartPolicy(enabled=True),
            logs_auth_strategy="ExecutionRole",
        ),
        """{"name": "app", "image": "i", "containerArn": "a", "command": ["run"], "entryPoint": [], "cpu": 0, "memory": 0,
            "essential": true, "environment": {"EMPTY": ""}, "environmentFiles": [{"type": "s3", "value": "arn"}],
            "portMappings": [{"containerPort": 80, "protocol": "tcp"}],
            "mountPoints": [{"sourceVolume": "v", "containerPath": "/v", "readOnly": false}],
            "volumesFrom": [{"sourceContainer": "other", "readOnly": false}],
            "linuxParameters": {"capabilities": {"add": ["NET_ADMIN"]}, "initProcessEnabled": false},
            "privileged": false, "overrides": "{}", "dockerConfig": {"version": "1.21", "hostConfig": "{}"},
            "healthCheckType": "docker",
            "registryAuthentication": {"type": "ecr", "ecrAuthData": {"registryId": "1", "region": "r", "useExecutionRole": false}},
            "secrets": [{"name": "s", "valueFrom": "arn", "provider": "ssm", "region": "r", "type": "ENVIRONMENT_VARIABLE"}],
            "dependsOn": [{"containerName": "other", "condition": "START"}], "startTimeout": 0,
            "restartPolicy": {"enabled": true, "restartAttemptPeriod": 300}, "logsAuthStrategy": "ExecutionRole"}""",
    ),
    "a volume of Docker's": (
        task.Volume(name="v", type="docker", docker_volume_configuration=task.DockerVolumeConfiguration()),
        """{"name": "v", "type": "docker",
            "dockerVolumeConfiguration": {"scope": "task", "driver": "local", "autoprovision": false}}""",
    ),
    "an interface": (
        task.ElasticNetworkInterface(
            ec2_id="eni-1",
            mac_address="02:00:00:00:00:01",
            ipv4_addresses=(task.IPv4AddressAssignment(private_address="10.0.0.4"),),
            subnet_gateway_ipv4_address="10.0.0.1/24",
        ),
        """{"ec2Id": "eni-1", "macAddress": "02:00:00:00:00:01", "index": 0,
            "ipv4Addresses": [{"privateAddress": "10.0.0.4", "primary": false}],
            "subnetGatewayIpv4Address": "10.0.0.1/24", "interfaceAssociationProtocol": "default"}""",
    ),
}


@pytest.mark.parametrize(("value", "text"), CASES.values(), ids=CASES.keys())
def test_both_ways(value: msgspec.Struct, text: str) -> None:
    assert json.loads(msgspec.json.encode(value)) == json.loads(text)
    assert msgspec.json.decode(text, type=type(value)) == value


def test_what_was_left_out_before_is_still_read() -> None:
    """Checkpoints of earlier agents, and members that AWS may leave out."""
    text = """{"arn": "t", "containers": [{"name": "app", "portMappings": [{"containerPort": 80}], "restartPolicy": {"enabled": true},
               "dockerConfig": {}}], "volumes": [{"name": "v"}],
               "elasticNetworkInterfaces": [{"ec2Id": "e", "macAddress": "m", "ipv4Addresses": [{"privateAddress": "a"}]}]}"""
    read = msgspec.json.decode(text, type=task.Task)
    assert (read.desired_status, read.volumes[0].type, read.cpu) == ("RUNNING", "host", 0.0)
    assert read.elastic_network_interfaces[0].interface_association_protocol == "default"
    (container,) = read.containers
    assert not container.essential
    assert container.port_mappings[0].protocol == "tcp"
    assert container.restart_policy == task.RestartPolicy(enabled=True, restart_attempt_period=300)
    assert container.docker_config == task.DockerConfig()


def test_dockers_own_json_says_only_what_is_set() -> None:
    """Amazon's agent lays it over what it set itself, and an explicit `Init` over the daemon's own default."""
    assert json.loads(write(HostConfig())) == {}
    config = ContainerConfig(healthcheck=Healthcheck(test=("CMD", "true")))
    assert json.loads(write(config)) == {"Healthcheck": {"Test": ["CMD", "true"]}}
    assert json.loads(write(HostConfig(log_config=LogConfig(type="none")))) == {"LogConfig": {"Type": "none"}}
