"""Running tasks on a live deployment and reading what they left behind."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.support.deployment import HostClient, LiveDeployment
from tests.support.namespaces import PlayedHost
from tests.support.waiting import until

Task = dict[str, Any]
Container = dict[str, Any]

GROUP = "/tasks"
PREFIX = "t"
RESTARTING: dict[str, Any] = {"restartPolicy": {"enabled": True, "restartAttemptPeriod": 60, "ignoredExitCodes": [6]}}
_REST = "Capacity is unavailable"


def logging(group: str = GROUP, region: str = "us-east-1", **more: str) -> dict[str, Any]:
    """An awslogs configuration that makes its group."""
    options = {
        "awslogs-group": group,
        "awslogs-region": region,
        "awslogs-stream-prefix": PREFIX,
        "awslogs-create-group": "true",
    }
    more = {name.replace("_", "-"): value for name, value in more.items()}
    return {"logDriver": "awslogs", "options": {**options, **more}}


def script(text: str, name: str = "main", **rest: Any) -> Container:
    """A container that runs a shell script."""
    return {"name": name, "command": ["sh", "-c", text], **rest}


def details(task: Task) -> dict[str, str]:
    """The details of the task's network interface."""
    return {each["name"]: each["value"] for each in task["attachments"][0]["details"]}


def container(task: Task, name: str = "main") -> Container:
    """One container of a described task."""
    return next(each for each in task["containers"] if each["name"] == name)


def values(lines: Sequence[str]) -> dict[str, str]:
    """The lines `name=value` of a container's output."""
    return dict(line.split("=", 1) for line in lines if "=" in line)


@dataclass
class Bench:
    """A deployment that is up, with the web image in its registry and a role that may pull and log."""

    deployment: LiveDeployment
    outside: PlayedHost
    image: str
    role: str
    long_runner: str = ""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.client = cache(self._client)

    def _client(self, service: str, region: str = "us-east-1") -> HostClient:
        return self.deployment.client(service, region=region)

    @property
    def runtime(self) -> str:
        """What isolates the tasks: `runc` or `gvisor`."""
        return self.deployment.runtime

    def define(self, *containers: Container, region: str = "us-east-1", **definition: Any) -> str:
        """Register a Fargate task definition of its own family; the family. Containers log to GROUP and use the web image."""
        family = definition.pop("family", None) or f"family-{next(self._numbers)}"
        base: Container = {"name": "main", "image": self.image, "logConfiguration": logging(region=region)}
        given: dict[str, Any] = {"cpu": "256", "memory": "512", "executionRoleArn": self.role, **definition}
        self.client("ecs", region).register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            containerDefinitions=[{**base, **each} for each in containers or ({},)],
            **given,
        )
        return family

    def run_task(self, family: str, *, region: str = "us-east-1", seconds: float = 90, **options: Any) -> str:
        """RunTask as soon as there is room for it; the task's ARN."""
        network = {"awsvpcConfiguration": {"subnets": [self.subnet(region)]}}
        request = {"taskDefinition": family, "launchType": "FARGATE", "networkConfiguration": network, **options}

        def attempt() -> str | None:
            answer = self.client("ecs", region).run_task(**request)
            if answer["tasks"]:
                return str(answer["tasks"][0]["taskArn"])
            assert answer["failures"][0]["reason"].startswith(_REST), answer["failures"]
            return None

        return until(attempt, "room for a task", seconds)

    def subnet(self, region: str = "us-east-1") -> str:
        """The first default subnet."""
        return str(self.client("ec2", region).describe_subnets()["Subnets"][0]["SubnetId"])

    def start(self, *containers: Container, overrides: dict[str, Any] | None = None, **definition: Any) -> str:
        """Define and run; the task's ARN."""
        region = definition.get("region", "us-east-1")
        options: dict[str, Any] = {"overrides": overrides} if overrides else {}
        return self.run_task(self.define(*containers, **definition), region=region, **options)

    def task(self, arn: str) -> Task:
        """DescribeTasks of one task."""
        region, cluster = arn.split(":")[3], arn.split("/")[1]
        return self.client("ecs", region).describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]

    def running(self, arn: str, seconds: float = 60) -> Task:
        """The task once it is RUNNING; fails when it stopped instead."""

        def look() -> Task | None:
            task = self.task(arn)
            assert task["lastStatus"] != "STOPPED", f"{task.get('stoppedReason')}: {task['containers']}"
            return task if task["lastStatus"] == "RUNNING" else None

        return until(look, f"{arn} RUNNING", seconds)

    def stopped(self, arn: str, seconds: float = 60) -> Task:
        """The task once it is STOPPED, by itself."""

        def look() -> Task | None:
            task = self.task(arn)
            return task if task["lastStatus"] == "STOPPED" else None

        return until(look, f"{arn} STOPPED", seconds)

    def stop(self, arn: str, **options: Any) -> None:
        """StopTask."""
        self.client("ecs", arn.split(":")[3]).stop_task(cluster=arn.split("/")[1], task=arn, **options)

    def run(self, *containers: Container, seconds: float = 60, **definition: Any) -> Task:
        """Define, run and wait for the end; the stopped task."""
        return self.stopped(self.start(*containers, **definition), seconds)

    def events(self, task: Task | str, name: str = "main", group: str = GROUP) -> list[dict[str, Any]]:
        """Every event of a container's log stream, in the order of GetLogEvents; [] while there is no stream."""
        arn = task if isinstance(task, str) else str(task["taskArn"])
        logs = self.client("logs", arn.split(":")[3])
        stream = {"logGroupName": group, "logStreamName": f"{PREFIX}/{name}/{arn.rsplit('/', 1)[1]}"}
        events: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            try:
                page = logs.get_log_events(**stream, startFromHead=True, **token)
            except logs.exceptions.ResourceNotFoundException:
                return []
            events += page["events"]
            if page["nextForwardToken"] == token.get("nextToken"):
                return events
            token = {"nextToken": page["nextForwardToken"]}

    def lines(self, task: Task | str, name: str = "main", group: str = GROUP) -> list[str]:
        """The messages of a container's log stream."""
        return [each["message"] for each in self.events(task, name, group)]

    def line(self, task: Task | str, start: str, name: str = "main", seconds: float = 20) -> str:
        """The first message that begins so, once it has arrived."""
        return until(
            lambda: next((each for each in self.lines(task, name) if each.startswith(start)), None),
            f"output {start!r}",
            seconds,
        )

    def session(self, task: Task | str, name: str = "main") -> tuple[str, str, str]:
        """The keys in the credentials document that a container wrote to its output as one line of JSON."""
        held = json.loads(self.line(task, "{", name))
        return held["AccessKeyId"], held["SecretAccessKey"], held["Token"]
