from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.taskdef.errors import InvalidTaskDefinition, InvalidTaskParameter
from roadstead.core.taskdef.registration import register
from roadstead.core.taskdef.sizes import FARGATE_SIZES, parse_cpu, parse_memory

Shape = dict[str, Any]
APP: Shape = {"name": "app", "image": "busybox", "memory": 64}
SIDE: Shape = {"name": "side", "image": "busybox", "memory": 64, "essential": False}
FARGATE: Shape = {
    "family": "web",
    "requiresCompatibilities": ["FARGATE"],
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [{"name": "app", "image": "busybox"}],
}


def ec2(*containers: Shape, **more: Any) -> Shape:
    return {"family": "web", "containerDefinitions": list(containers), **more}


def fargate(**container: Any) -> Shape:
    return {**FARGATE, "containerDefinitions": [{"name": "app", "image": "busybox", **container}]}


def registered(request: Shape) -> Shape:
    return register(request, is_ecr=lambda image: ".dkr.ecr." in image)


def test_defaults() -> None:
    definition = registered(
        {
            **fargate(portMappings=[{"containerPort": 80}], healthCheck={"command": ["CMD", "x"]}),
            "cpu": ".25 vCPU",
            "memory": "0.5GB",
        }
    )
    assert (definition["cpu"], definition["memory"]) == ("256", "512")
    assert definition["compatibilities"] == ["EC2", "MANAGED_INSTANCES", "FARGATE"]
    assert definition["volumes"] == definition["placementConstraints"] == []
    container = definition["containerDefinitions"][0]
    assert container["portMappings"] == [{"protocol": "tcp", "containerPort": 80, "hostPort": 80}]
    assert container["essential"] is True
    assert container["cpu"] == 0
    assert container["environment"] == container["mountPoints"] == container["volumesFrom"] == []
    assert container["healthCheck"] == {"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3}
    assert {"name": "ecs.capability.task-eni"} in definition["requiresAttributes"]


def test_bridge_takes_any_host_port() -> None:
    definition = registered(ec2({**APP, "portMappings": [{"containerPort": 80}]}))
    assert definition["containerDefinitions"][0]["portMappings"][0]["hostPort"] == 0
    assert definition["compatibilities"] == ["EXTERNAL", "EC2"]


def test_awsvpc_without_a_size_is_not_for_fargate() -> None:
    assert registered(ec2(APP, networkMode="awsvpc"))["compatibilities"] == ["EC2"]


AWSLOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ec2(), "Container list cannot be empty."),
        (ec2(*[{**APP, "name": f"c{n}"} for n in range(11)]), "Too many containers. Limit 10."),
        (ec2({**APP, "name": ""}), "Container.name should not be null or empty."),
        (ec2({**APP, "name": "a b"}), "Container.name contains invalid characters."),
        (ec2(APP, APP), "Container.name 'app' is duplicated."),
        (ec2({**APP, "image": ""}), "Container.image should not be null or empty."),
        *(
            (ec2({**APP, "image": image}), "Container.image contains invalid characters.")
            for image in ("Not A Image", "web:1 ", "$IMAGE", "web@sha256:1", "a" * 256)
        ),
        *(
            (ec2({**APP, "environment": variables}), "Environment variable name cannot be null or blank.")
            for variables in ([{"name": "", "value": "x"}], [{"name": " "}], [{"value": "x"}])
        ),
        (
            {
                **fargate(portMappings=[{"containerPort": 80}]),
                "containerDefinitions": [
                    {"name": name, "image": "busybox", "portMappings": [{"containerPort": 80}]} for name in ("a", "b")
                ],
            },
            "TCP host port '80' is mapped multiple times in task.",
        ),
        (
            ec2(*({**each, "portMappings": [{"containerPort": 80, "hostPort": 8080}]} for each in (APP, SIDE))),
            "TCP host port '8080' is mapped multiple times in task.",
        ),
        (ec2(SIDE), "Task definition doesn't have any essential container."),
        (
            ec2({**APP, "memory": None}),
            "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.",
        ),
        (
            ec2({**APP, "memory": 128}, memory="64"),
            "The 'memory' setting for container 'app' is greater than for the task.",
        ),
        (
            ec2({**APP, "cpu": 300}, cpu="256"),
            "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
        ),
        (ec2({**APP, "cpu": -1}), "Invalid 'cpu' setting for container 'app'."),
        (ec2({**APP, "mountPoints": [{"sourceVolume": "v"}]}), "Unknown volume 'v'."),
        (ec2({**APP, "links": ["x"]}), "Invalid link 'x' for container 'app'."),
        (
            ec2({**APP, "secrets": [{"name": "a", "valueFrom": "b"}]}),
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
        ),
        (
            ec2({**APP, "secrets": [{"name": "a", "valueFrom": "arn:b"}]}, executionRoleArn="r"),
            "Invalid ARN for secret 'a'.",
        ),
        *(
            (ec2({**APP, "systemControls": [control]}), "Invalid system control for container 'app'.")
            for control in ({"namespace": "net.core.somaxconn"}, {"value": "1"}, {})
        ),
        (
            ec2({**APP, "logConfiguration": {"logDriver": "awslogs"}}),
            "Log driver awslogs requires options: awslogs-region, awslogs-group",
        ),
        (
            ec2({**APP, "dependsOn": [{"containerName": "x", "condition": "START"}]}),
            "Cannot depend on container + 'x' because it does not exist",
        ),
        (
            ec2(APP, {**SIDE, "dependsOn": [{"containerName": "app", "condition": "SUCCESS"}]}),
            "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
        ),
        (
            ec2(APP, {**SIDE, "dependsOn": [{"containerName": "app", "condition": "HEALTHY"}]}),
            "A dependency container with HEALTHY condition must have health check configured",
        ),
        (
            ec2(
                {**APP, "dependsOn": [{"containerName": "side", "condition": "START"}]},
                {**SIDE, "dependsOn": [{"containerName": "app", "condition": "START"}]},
            ),
            "Container dependency cycle detected",
        ),
        (
            ec2({**APP, "portMappings": [{"containerPort": 80, "hostPort": 81}]}, networkMode="awsvpc"),
            "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
        ),
        (ec2({**APP, "links": ["app"]}, networkMode="awsvpc"), "Links are not supported when networkMode=awsvpc."),
        (
            ec2({**APP, "portMappings": [{"containerPort": 80, "containerPortRange": "1-2"}]}),
            "cannot specify both single port and port range",
        ),
        *(
            (ec2({**APP, "portMappings": [{"containerPortRange": text}]}), "Invalid container port range: ")
            for text in ("1", "2-1", "1-65536", "1-" + "9" * 5000)
        ),
        ({**FARGATE, "networkMode": "bridge"}, "Fargate only supports network mode ‘awsvpc’."),
        ({**FARGATE, "cpu": None}, "Fargate requires that 'cpu' be defined at the task level."),
        (
            {**FARGATE, "memory": None, "containerDefinitions": [APP]},
            "Fargate requires that 'memory' be defined at the task level.",
        ),
        ({**FARGATE, "memory": "1000"}, "No Fargate configuration exists for given values: 256 CPU, 1000 memory."),
        (
            fargate(image="1.dkr.ecr.x.amazonaws.com/a"),
            "Fargate requires task definition to have execution role ARN to support ECR images.",
        ),
        (
            fargate(logConfiguration=AWSLOGS),
            "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
        ),
        (
            {**fargate(logConfiguration=AWSLOGS), "executionRoleArn": "r"},
            "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.",
        ),
        (
            fargate(stopTimeout=121),
            "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.",
        ),
        *(
            (fargate(linuxParameters={member: value}), f"Fargate compatible task definitions do not support {member}")
            for member, value in {
                "devices": [{"hostPath": "/dev/fuse"}],
                "sharedMemorySize": 64,
                "maxSwap": 64,
                "swappiness": 1,
            }.items()
        ),
        (
            fargate(linuxParameters={"capabilities": {"add": ["NET_ADMIN"]}}),
            "Fargate compatible task definitions support only SYS_PTRACE in capabilities add",
        ),
        (
            fargate(dockerSecurityOptions=["no-new-privileges"]),
            "Fargate compatible task definitions do not support dockerSecurityOptions",
        ),
        (
            fargate(resourceRequirements=[{"type": "GPU", "value": "1"}]),
            "Tasks using the Fargate launch type do not support GPU resource requirements.",
        ),
        ({**FARGATE, "ipcMode": "none"}, "Tasks using the Fargate launch type do not support ipcMode."),
        (
            {**FARGATE, "placementConstraints": [{"type": "memberOf", "expression": "x == y"}]},
            "Fargate compatible task definitions do not support placementConstraints",
        ),
        (
            {**FARGATE, "volumes": [{"name": "v", "dockerVolumeConfiguration": {"scope": "task"}}]},
            "Fargate compatible task definitions do not support dockerVolumeConfiguration",
        ),
        (fargate(privileged=True), "Fargate compatible task definitions do not support privileged"),
        (
            fargate(logConfiguration={"logDriver": "syslog"}),
            "syslog is not a valid log driver. Must be one of [awslogs,splunk,awsfirelens]",
        ),
        (
            {**FARGATE, "volumes": [{"name": "v", "host": {"sourcePath": "/"}}]},
            "Fargate compatible task definitions do not support sourcePath",
        ),
        ({**FARGATE, "pidMode": "host"}, "Tasks using the Fargate launch type do not support pidMode 'host'."),
        ({**FARGATE, "family": "a b"}, "Family contains invalid characters."),
        (fargate(command=["x" * 65536]), "Actual length: '65713'. Max allowed length is '65536' bytes."),
    ],
)
def test_refusals(request_: Shape, message: str) -> None:
    request = {name: value for name, value in request_.items() if value is not None}
    with pytest.raises(InvalidTaskDefinition) as caught:
        registered(request)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("member", "value", "named"),
    [
        ("links", ["side"], "Links are"),
        ("hostname", "h", "Hostname is"),
        ("dnsServers", ["10.0.0.2"], "DNS servers are"),
        ("dnsSearchDomains", ["x"], "DNS search domains are"),
        ("extraHosts", [{"hostname": "x", "ipAddress": "10.0.0.1"}], "Extra hosts are"),
        ("disableNetworking", True, "Disable Networking is"),
    ],
)
def test_what_containers_that_share_an_interface_can_not_have(member: str, value: object, named: str) -> None:
    with pytest.raises(InvalidTaskDefinition, match=f"{named} not supported .*when networkMode=awsvpc"):
        registered(fargate(**{member: value}))


def test_containers_may_share_a_number_where_it_is_not_the_same_port() -> None:
    bridge = [{**each, "portMappings": [{"containerPort": 80}]} for each in (APP, SIDE)]
    assert len(registered(ec2(*bridge))["containerDefinitions"]) == 2
    both = [
        {"name": name, "image": "busybox", "portMappings": [{"containerPort": 53, "protocol": name}]}
        for name in ("tcp", "udp")
    ]
    assert len(registered({**FARGATE, "containerDefinitions": both})["containerDefinitions"]) == 2


@pytest.mark.parametrize(
    "image", ["Web:1", "localhost:4566/a/b", f"a.b/c@sha256:{'0' * 64}", f"a:1@sha256:{'f' * 64}", "a#b"]
)
def test_images_that_are_well_written(image: str) -> None:
    assert registered(ec2({**APP, "image": image}))["containerDefinitions"][0]["image"] == image


def test_a_port_can_be_mapped_once() -> None:
    mappings = [{"containerPort": 80}, {"containerPort": 80}]
    with pytest.raises(
        InvalidTaskParameter, match="Container port 80 is used in more than one port mapping for container app"
    ):
        registered(fargate(portMappings=mappings))


@pytest.mark.parametrize(("text", "units"), [("256", 256), ("1 vCPU", 1024), (".5 vcpu", 512), ("2vCPU", 2048)])
def test_cpu(text: str, units: int) -> None:
    assert parse_cpu(text) == units


@pytest.mark.parametrize(("text", "mib"), [("512", 512), ("1GB", 1024), ("0.5 gb", 512), ("30 GB", 30720)])
def test_memory(text: str, mib: int) -> None:
    assert parse_memory(text) == mib


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1 GB GB", "0.3", "nan", "9" * 400])
def test_unreadable_sizes(text: str) -> None:
    with pytest.raises(InvalidTaskParameter):
        parse_cpu(text)
    with pytest.raises(InvalidTaskParameter):
        parse_memory(text)


@given(st.sampled_from(sorted(FARGATE_SIZES)), st.integers(1, 130000))
def test_fargate_takes_the_sizes_of_the_table_and_no_others(cpu: int, memory: int) -> None:
    request = {**FARGATE, "cpu": str(cpu), "memory": str(memory)}
    if memory in FARGATE_SIZES[cpu]:
        assert "FARGATE" in registered(request)["compatibilities"]
    else:
        with pytest.raises(InvalidTaskDefinition, match="No Fargate configuration exists"):
            registered(request)
