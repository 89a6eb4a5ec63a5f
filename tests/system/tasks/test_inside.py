"""What a task finds around itself: the API, its role's keys, its metadata, names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.system.tasks.bench import Bench, container, details, script, values

CREDENTIALS = "wget -qO- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; echo"
WAIT = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


def test_the_api_answers_at_the_endpoint_that_sdks_take(bench: Bench) -> None:
    task = bench.run(
        script(
            "echo endpoint=$AWS_ENDPOINT_URL; echo region=$AWS_REGION; echo environment=$AWS_EXECUTION_ENV;"
            " wget -qO- $AWS_ENDPOINT_URL/_roadstead/health"
        )
    )
    lines = bench.lines(task)
    found = values(lines)
    assert found["endpoint"] == f"http://169.254.170.3:{bench.deployment.port}"
    assert (found["region"], found["environment"]) == ("us-east-1", "AWS_ECS_FARGATE")
    assert container(task)["exitCode"] == 0, "the health page was there"


def test_a_task_has_the_keys_of_its_role_and_no_more(bench: Bench) -> None:
    role = bench.deployment.role("app", ("ecs:ListClusters",))
    arn = bench.start(script(f"{CREDENTIALS}; {WAIT}"), taskRoleArn=role)
    keys = bench.session(arn)
    held = json.loads(bench.line(arn, "{"))
    assert held["RoleArn"] == role
    identity = bench.deployment.client("sts", keys).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::000000000000:assumed-role/app/{arn.rsplit('/', 1)[1]}"
    ecs = bench.deployment.client("ecs", keys)
    assert ecs.list_clusters()["clusterArns"]
    with pytest.raises(ClientError, match=r"assumed-role/app/.* is not authorized to perform: ecs:StopTask") as denied:
        ecs.stop_task(task=arn)
    assert denied.value.response["Error"]["Code"] == "AccessDeniedException"
    forged = (keys[0], keys[1], keys[2][:-8] + "AAAAAAAA")
    with pytest.raises(ClientError):
        bench.deployment.client("ecs", forged).list_clusters()
    bench.stop(arn)
    bench.stopped(arn)


def test_another_task_cannot_read_them(bench: Bench) -> None:
    role = bench.deployment.role("owner", ("ecs:ListClusters",))
    owner = bench.start(
        script(f"echo uri=$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; {CREDENTIALS}; {WAIT}"), taskRoleArn=role
    )
    uri = bench.line(owner, "uri=").removeprefix("uri=")
    secret = bench.session(owner)[1]
    thief = bench.run(
        script(
            f"wget -qO- http://169.254.170.2{uri} && echo stolen;"
            " echo own=$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;"
            " wget -qO- http://169.254.170.2/v2/credentials/ && echo listed; true"
        )
    )
    lines = bench.lines(thief)
    assert "own=" in lines, "a task without a role has no keys of its own"
    assert "stolen" not in lines
    assert "listed" not in lines
    assert secret not in "".join(lines)
    bench.stop(owner)
    bench.stopped(owner)


def test_metadata(bench: Bench) -> None:
    both = "wget -qO- $ECS_CONTAINER_METADATA_URI_V4; echo; wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task; echo"
    arn = bench.start(script(f"{both}; {WAIT}", "main"), script(WAIT, "other"))
    bench.line(arn, '{"Cluster"')
    own, whole = (json.loads(line) for line in bench.lines(arn) if line.startswith("{"))
    task = bench.running(arn)
    assert (own["Name"], own["DockerId"]) == ("main", container(task)["runtimeId"])
    assert (own["Image"], own["ImageID"]) == (bench.image, container(task)["imageDigest"])
    assert own["ContainerARN"] == container(task)["containerArn"]
    assert own["Labels"]["com.amazonaws.ecs.task-arn"] == arn
    assert own["Networks"][0]["IPv4Addresses"] == [details(task)["privateIPv4Address"]]
    assert own["Networks"][0]["MACAddress"] == details(task)["macAddress"]
    assert (whole["TaskARN"], whole["Cluster"], whole["LaunchType"]) == (arn, task["clusterArn"], "FARGATE")
    assert whole["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert {each["Name"] for each in whole["Containers"]} <= {"main", "other"}
    bench.stop(arn)
    bench.stopped(arn)


def test_names(bench: Bench) -> None:
    account, port = "000000000000", bench.deployment.port
    names: dict[str, Any] = {
        "own": "$(hostname)",
        "ecr": f"{account}.dkr.ecr.us-east-1.localhost",
        "aws": f"{account}.dkr.ecr.us-east-1.amazonaws.com",
    }
    ask = "; ".join(
        f"echo {key}=$(nslookup {name} | tail -n +3 | grep -o 'Address: .*')" for key, name in names.items()
    )
    ask = ask.replace("nslookup", "busybox nslookup").replace("tail", "busybox tail").replace("grep", "busybox grep")
    more = f"busybox nslookup nothing.ec2.internal; wget -qO- http://{names['ecr']}:{port}/_roadstead/health > /dev/null && echo registry=here"
    task = bench.run(script(f"echo host=$(hostname); {ask}; {more}; cat /etc/resolv.conf"))
    lines = bench.lines(task)
    found = values(lines)
    address = details(task)["privateIPv4Address"]
    assert found["host"] == details(task)["privateDnsName"] == f"ip-{address.replace('.', '-')}.ec2.internal"
    assert found["own"] == f"Address: {address}"
    assert found["ecr"] == found["aws"] == "Address: 169.254.170.3"
    assert found["registry"] == "here"
    assert any("NXDOMAIN" in line for line in lines)
    assert "nameserver 169.254.169.253" in lines
