"""Regions of one deployment don't see each other's things, and their networks don't meet though their addresses are the same."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from tests.system.tasks.bench import Bench, details, script

pytestmark = pytest.mark.parametrize("bench", ["runc"], indirect=True)

THERE = "eu-west-1"
WAIT = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


def test_a_task_of_another_region(bench: Bench) -> None:
    here, there = bench.client("ecs"), bench.client("ecs", THERE)
    there.create_cluster(clusterName="default")
    away = bench.start(script(f"echo region=$AWS_REGION; {WAIT}"), region=THERE)
    task = bench.running(away)
    assert bench.line(away, "region=") == f"region={THERE}"
    assert away.startswith(f"arn:aws:ecs:{THERE}:000000000000:task/default/")
    assert task["availabilityZone"].startswith(THERE)
    assert details(task)["privateDnsName"].endswith(f".{THERE}.compute.internal")

    assert away not in here.list_tasks()["taskArns"]
    assert here.describe_tasks(tasks=[away.rsplit("/", 1)[1]])["failures"][0]["reason"] == "MISSING"
    families = {each.rsplit("/", 1)[1] for each in there.list_task_definitions()["taskDefinitionArns"]}
    assert families == {f"{task['taskDefinitionArn'].rsplit('/', 1)[1]}"}
    interface = details(task)["networkInterfaceId"]
    with pytest.raises(ClientError, match=r"InvalidNetworkInterfaceID\.NotFound"):
        bench.client("ec2").describe_network_interfaces(NetworkInterfaceIds=[interface])
    vpcs = [bench.client("ec2", region).describe_vpcs()["Vpcs"] for region in ("us-east-1", THERE)]
    assert [len(each) for each in vpcs] == [1, 1]
    assert vpcs[0][0]["VpcId"] != vpcs[1][0]["VpcId"]
    assert bench.client("ecr", THERE).describe_repositories()["repositories"] == []
    assert bench.client("logs", THERE).describe_log_groups()["logGroups"][0]["arn"].split(":")[3] == THERE
    bench.stop(away)
    bench.stopped(away)


def test_networks_of_regions_do_not_meet(bench: Bench) -> None:
    bench.client("ecs", THERE).create_cluster(clusterName="default")
    web = bench.start({})
    address = bench.deployment.serving(str(web))
    assert "It runs." in bench.deployment.fetch(address)
    asks = f"busybox timeout 3 wget -qO- http://{address}/ && echo reached; true"
    lines = bench.lines(bench.run(script(asks), region=THERE))
    assert "reached" not in lines
    assert "It runs." in bench.deployment.fetch(address), "the host's way to the first VPC is as it was"
    bench.stop(web)
    bench.stopped(web)


def test_keys_of_a_user_reach_only_what_its_policies_say(bench: Bench) -> None:
    iam = bench.client("iam")
    iam.create_user(UserName="reader")
    allowed = {"Effect": "Allow", "Action": "ecs:ListTasks", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document)
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    keys = (made["AccessKeyId"], made["SecretAccessKey"])
    ecs = bench.deployment.client("ecs", keys)
    assert "taskArns" in ecs.list_tasks()
    with pytest.raises(ClientError, match="user/reader is not authorized to perform: ecs:RunTask"):
        ecs.run_task(taskDefinition="slice", launchType="FARGATE")
    with pytest.raises(ClientError, match="user/reader is not authorized to perform: ecr:GetAuthorizationToken"):
        bench.deployment.client("ecr", keys).get_authorization_token()
