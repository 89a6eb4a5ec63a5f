"""The first five minutes with Roadstead, as a program: push an image, run it as a Fargate task, reach it, read its logs, leave nothing.

Everything it says to Roadstead goes through plain clients: boto3, the aws CLI and skopeo. Needs root. Run it with `make demo`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import boto3

from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.kernel.ids import directory_tag

sys.path.insert(0, str(Path(__file__).resolve().parent))
from oci_image import pack

T = TypeVar("T")
BIN = Path(sys.executable).parent
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
EXECUTION = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "ecr:GetAuthorizationToken",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
            ],
            "Resource": "*",
        }
    ],
}


def fail(sentence: str) -> NoReturn:
    """Say what went wrong, at once, and end; what was begun is taken down on the way."""
    print(f"demo: {sentence}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def step(title: str, action: Callable[[], T]) -> T:
    """Do one step and print it with its time."""
    started = time.monotonic()
    result = action()
    print(f"  {time.monotonic() - started:6.2f} s  {title}", flush=True)
    return result


def until(what: str, question: Callable[[], T | None], seconds: float = 60) -> T:
    """Ask until there is an answer; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while (answer := question()) is None:
        if time.monotonic() > deadline:
            fail(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)
    return answer


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def roadstead(*arguments: str) -> str:
    """Run our own command line; its output."""
    command = [str(BIN / "roadstead"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            output, errors = process.communicate()
        except BaseException:  # subprocess.run would kill it, and what it began would go on without us
            process.terminate()
            process.communicate()
            raise
    if process.returncode != 0:
        fail(f"roadstead {' '.join(arguments)} failed:\n{output}{errors}")
    return output


@contextlib.contextmanager
def deployment(data: Path, port: int) -> Generator[None]:
    """Roadstead on a directory of its own, gone afterwards, also when it did not come up."""
    listen = f"127.0.0.1:{port}"
    try:
        step(
            "roadstead up",
            lambda: roadstead("up", "--detach", "--no-profile", "--data", str(data), "--listen", listen),
        )
        yield
    finally:
        step("roadstead down", lambda: roadstead("down", "--data", str(data)))


@contextlib.contextmanager
def workplace() -> Generator[Path]:
    """A new directory, removed in the end; when something of the deployment in it is left, it stays and that is the failure."""
    folder = Path(tempfile.mkdtemp(prefix="roadstead-demo-")).resolve()
    try:
        yield folder
    finally:
        data = folder / "data"
        if found := left_of(data):
            fail("\n  ".join((f"not everything is gone; try `roadstead down --data {data}`. Left:", *found)))
        shutil.rmtree(folder)


def left_of(data: Path) -> list[str]:
    """What this host still holds of a deployment: processes, mounts, control groups and files in /run."""
    tag = directory_tag(str(data))
    names = (f"roadstead-{tag}", str(data))
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = [f"mount {point}" for point in mounts if any(name in point for name in names)]
    found += [f"control group {path}" for path in Cgroups(tag).leftovers()]
    found += [f"directory {path}" for path in Path("/run").glob(f"*{tag}*")]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if any(name in command for name in names):
                found.append(f"process {process.name}: {command}")
    return found


def environment(data: Path) -> dict[str, str]:
    """What `eval "$(roadstead env)"` sets."""
    pairs = (line.removeprefix("export ").split("=", 1) for line in roadstead("env", "--data", str(data)).splitlines())
    return {**os.environ, **{name: value.strip("'") for name, value in pairs}, "AWS_PAGER": ""}


def push(folder: Path, uri: str, env: dict[str, str]) -> None:
    """Push the image with skopeo, signed in as one does for ECR."""
    password = subprocess.run(
        [str(BIN / "aws"), "ecr", "get-login-password"], env=env, capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(
        [
            *("skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", f"AWS:{password}"),
            *(f"oci:{folder}:web", f"docker://{uri}:latest"),
        ],
        check=True,
    )


def run_task(env: dict[str, str], subnet: str) -> str:
    """`aws ecs run-task`; the task's ARN."""
    network = f"awsvpcConfiguration={{subnets=[{subnet}],assignPublicIp=DISABLED}}"
    done = subprocess.run(
        [
            *(str(BIN / "aws"), "ecs", "run-task", "--task-definition", "web", "--launch-type", "FARGATE"),
            *("--network-configuration", network, "--output", "json"),
        ],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return str(json.loads(done.stdout)["tasks"][0]["taskArn"])


def fetch(data: Path, vpc: str, address: str) -> str:
    """The page that the task serves at its private address: from the host, or from inside the VPC when the host has no route."""
    url = f"http://{address}/"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode().strip()
    except OSError:
        return roadstead("connect", vpc, "--data", str(data), "--", "busybox", "wget", "-q", "-O", "-", url).strip()


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Run the whole demonstration."""
    if os.geteuid() != 0:
        fail("needs root (namespaces, mounts, cgroups); run: make demo")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    print("Roadstead demo", flush=True)
    started = time.monotonic()
    with workplace() as folder, deployment(folder / "data", free_port()):
        tour(folder)
    print(f"  {time.monotonic() - started:6.2f} s  in all; nothing is left")


def tour(folder: Path) -> None:
    """What a newcomer would type."""
    data = folder / "data"
    env = environment(data)
    session = boto3.Session(
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_REGION"],
    )

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=env["AWS_ENDPOINT_URL"])  # type: ignore[call-overload]

    ecs, ecr, iam, ec2, logs = (client(name) for name in ("ecs", "ecr", "iam", "ec2", "logs"))
    uri = step("ECR: create repository `web`", lambda: ecr.create_repository(repositoryName="web"))["repository"][
        "repositoryUri"
    ]
    step("pack a web image from busybox", lambda: pack(folder / "image"))
    step(f"skopeo pushes it to {uri}", lambda: push(folder / "image", uri, env))
    role = iam.create_role(RoleName="ecsTaskExecutionRole", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="ecsTaskExecutionRole", PolicyName="execution", PolicyDocument=json.dumps(EXECUTION))
    options = {
        "awslogs-group": "/demo/web",
        "awslogs-region": env["AWS_REGION"],
        "awslogs-stream-prefix": "demo",
        "awslogs-create-group": "true",
    }
    container = {
        "name": "web",
        "image": f"{uri}:latest",
        "portMappings": [{"containerPort": 80}],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    step(
        "ECS: create cluster, register task definition",
        lambda: (
            ecs.create_cluster(clusterName="default"),
            ecs.register_task_definition(
                family="web",
                requiresCompatibilities=["FARGATE"],
                networkMode="awsvpc",
                cpu="256",
                memory="512",
                executionRoleArn=role,
                containerDefinitions=[container],
            ),
        ),
    )
    subnet = ec2.describe_subnets()["Subnets"][0]
    arn = step("aws ecs run-task", lambda: run_task(env, subnet["SubnetId"]))

    def running() -> dict[str, Any] | None:
        task = ecs.describe_tasks(tasks=[arn])["tasks"][0]
        if task["lastStatus"] == "STOPPED":
            fail(f"the task stopped: {task.get('stoppedReason')}")
        return task if task["lastStatus"] == "RUNNING" else None

    task = step("… until the task is RUNNING", lambda: until("RUNNING", running))
    details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
    address = details["privateIPv4Address"]
    page = step(f"GET http://{address}/", lambda: fetch(data, subnet["VpcId"], address))
    print(f"            → {page!r}")

    def lines() -> list[str] | None:
        try:
            events = logs.filter_log_events(logGroupName="/demo/web")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return [event["message"] for event in events] or None

    for line in step("CloudWatch Logs: what it printed", lambda: until("output in CloudWatch Logs", lines)):
        print(f"            → {line}")
    ecs.stop_task(task=arn, reason="the demo is over")

    def stopped() -> dict[str, Any] | None:
        task = ecs.describe_tasks(tasks=[arn])["tasks"][0]
        return task if task["lastStatus"] == "STOPPED" else None

    ended = step("aws ecs stop-task, until STOPPED", lambda: until("STOPPED", stopped))
    print(f"            → {ended['stopCode']}: {ended['stoppedReason']}")


if __name__ == "__main__":
    main()
