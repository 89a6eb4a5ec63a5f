"""The slice: an image that skopeo pushed runs as a task, answers at its private IP, logs, and stops."""

from __future__ import annotations

from itertools import pairwise

from tests.system.tasks.bench import Bench, container, details, script

TIMES = (
    "createdAt",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "stoppingAt",
    "executionStoppedAt",
    "stoppedAt",
)


def test_a_task_from_its_image_to_its_end(bench: Bench) -> None:
    ecs = bench.client("ecs")
    family = bench.define({"portMappings": [{"containerPort": 80}], "stopTimeout": 10}, family="slice")
    arn = bench.run_task(family, startedBy="me", tags=[{"key": "a", "value": "b"}])
    ecs.wait("tasks_running", tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    task = bench.task(arn)
    address = bench.deployment.serving(arn)
    assert address == details(task)["privateIPv4Address"]
    assert "It runs." in bench.deployment.fetch(address)

    digest = bench.client("ecr").describe_images(repositoryName="web")["imageDetails"][0]["imageDigest"]
    assert (task["lastStatus"], task["desiredStatus"], task["connectivity"]) == ("RUNNING", "RUNNING", "CONNECTED")
    assert (task["launchType"], task["platformVersion"], task["cpu"], task["memory"]) == (
        "FARGATE",
        "1.4.0",
        "256",
        "512",
    )
    assert (task["group"], task["startedBy"]) == ("family:slice", "me")
    assert task["attachments"][0]["status"] == "ATTACHED"
    main = container(task)
    assert main["imageDigest"] == digest
    assert main["runtimeId"].startswith(arn.rsplit("/", 1)[1] + "-")
    assert [each["privateIpv4Address"] for each in main["networkInterfaces"]] == [address]
    assert (main["lastStatus"], main["healthStatus"], main["image"]) == ("RUNNING", "UNKNOWN", bench.image)
    assert "exitCode" not in main
    assert "stopCode" not in task

    (interface,) = bench.client("ec2").describe_network_interfaces(
        NetworkInterfaceIds=[details(task)["networkInterfaceId"]]
    )["NetworkInterfaces"]
    assert (interface["PrivateIpAddress"], interface["MacAddress"]) == (address, details(task)["macAddress"])

    assert bench.line(arn, "serving") == "serving on port 80"
    ecs.stop_task(task=arn, reason="enough")
    ecs.wait("tasks_stopped", tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    stopped = bench.task(arn)
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")
    assert container(stopped)["exitCode"] == 0, "the server's own trap answered SIGTERM"
    assert container(stopped)["lastStatus"] == "STOPPED"
    assert container(stopped)["runtimeId"] == main["runtimeId"]
    assert stopped["attachments"][0]["status"] == "DELETED"
    assert stopped["version"] > task["version"]
    assert "stopping" in bench.lines(arn), "the last line is there when the task is STOPPED"
    moments = [stopped[name] for name in TIMES]
    assert all(earlier <= later for earlier, later in pairwise(moments)), dict(zip(TIMES, moments, strict=True))
    assert task["connectivityAt"] >= task["createdAt"]


def test_tasks_are_listed_by_what_they_are(bench: Bench) -> None:
    ecs = bench.client("ecs")
    one = bench.run_task(
        bench.define(script("trap '' TERM; sleep 300", stopTimeout=2), family="listed-one"), startedBy="lister"
    )
    two = bench.start(script("true"), family="listed-two")
    bench.running(one)
    bench.stopped(two)
    assert ecs.list_tasks(family="listed-one")["taskArns"] == [one]
    assert ecs.list_tasks(family="listed-two")["taskArns"] == []
    assert ecs.list_tasks(family="listed-two", desiredStatus="STOPPED")["taskArns"] == [two]
    assert ecs.list_tasks(startedBy="lister", launchType="FARGATE")["taskArns"] == [one]
    assert ecs.list_tasks(startedBy="nobody")["taskArns"] == []
    cluster = ecs.describe_clusters(clusters=["default"])["clusters"][0]
    assert cluster["runningTasksCount"] >= 1
    bench.stop(one)
    assert ecs.list_tasks(family="listed-one")["taskArns"] == [], "a task that shall stop is no longer listed"
    assert container(bench.stopped(one))["exitCode"] == 137, "it takes no SIGTERM"


def test_stopping_asks_first_and_kills_after_the_stop_timeout(bench: Bench) -> None:
    deaf = "trap 'echo heard' TERM; echo ready; while true; do sleep 0.2; done"
    polite = "trap 'echo bye; exit 7' TERM; echo ready; while true; do sleep 0.2; done"
    arn = bench.start(script(deaf, "deaf", stopTimeout=3), script(polite, "polite", stopTimeout=60), family="stopping")
    bench.line(arn, "ready", "deaf")
    bench.line(arn, "ready", "polite")
    bench.stop(arn)
    task = bench.stopped(arn)
    assert container(task, "deaf")["exitCode"] == 137
    assert container(task, "polite")["exitCode"] == 7
    assert bench.lines(arn, "deaf") == ["ready", "heard"]
    assert bench.lines(arn, "polite") == ["ready", "bye"]
    took = task["executionStoppedAt"] - task["stoppingAt"]
    assert 3 <= took.total_seconds() < 30, "the stop timeout of the deaf one, not of the other"
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "Task stopped by user")


def test_a_task_can_be_stopped_before_it_runs(bench: Bench) -> None:
    arn = bench.start(script("sleep 300", stopTimeout=2), family="early")
    bench.stop(arn)
    task = bench.stopped(arn)
    assert task["stopCode"] == "UserInitiated"
    assert task["attachments"][0]["status"] == "DELETED"
    assert container(task).get("exitCode") in (None, 137, 143), "it ran for a moment or not at all"
