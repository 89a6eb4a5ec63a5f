"""A whole deployment, as `roadstead up` makes it, inside a namespace that plays the host."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from examples.oci_image import ImageSpec, pack
from tests.support.namespaces import PlayedHost, played_host
from tests.support.waiting import until

from roadstead.kernel.ids import directory_tag

T = TypeVar("T")
PROGRAM = (sys.executable, "-m", "roadstead")
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
PULL_AND_LOG = (
    "ecr:GetAuthorizationToken",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
)


class HostClient:
    """A boto3 client whose calls are made on the played host."""

    def __init__(self, host: PlayedHost, client: Any) -> None:
        self._host = host
        self._client = client

    @property
    def exceptions(self) -> Any:
        """The client's modeled exceptions."""
        return self._client.exceptions

    def wait(self, waiter: str, **parameters: Any) -> None:
        """boto3's own waiter of this name; raises its WaiterError."""
        self._host.call(lambda: self._client.get_waiter(waiter).wait(**parameters))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._client, name)
        return lambda **parameters: self._host.call(lambda: operation(**parameters))


class LiveDeployment:
    """One data directory with its supervisor, server, agent and containerd."""

    def __init__(self, host: PlayedHost, data: Path, port: int, runtime: str) -> None:
        self.host = host
        self.data = data
        self.port = port
        self.runtime = runtime
        self.tag = directory_tag(str(data))

    def command(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """`roadstead ARGUMENTS --data DIR` on the host."""
        return self.host.run([*PROGRAM, *arguments, "--data", str(self.data)], timeout=timeout)

    def up(self, *options: str) -> str:
        """`roadstead up --detach`; its output."""
        listen = f"127.0.0.1:{self.port}"
        done = self.command(
            "up", "--detach", "--no-profile", "--listen", listen, "--fargate-runtime", self.runtime, *options
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.last_logs()}"
        return done.stdout

    def down(self, *options: str) -> None:
        """`roadstead down`."""
        done = self.command("down", *options)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.last_logs()}"

    def last_logs(self) -> str:
        """The end of every log, for failures."""
        texts = [f"== {p.name}\n{p.read_text(errors='replace')[-4000:]}" for p in (self.data / "logs").glob("*.log")]
        return "\n".join(texts)

    def status(self) -> dict[str, Any]:
        """`roadstead status --json`."""
        return json.loads(self.command("status", "--json").stdout)

    def pid(self, name: str) -> int:
        """The process id of `server`, `agent`, `containerd` or `supervisor`."""
        status = self.status()
        if name == "supervisor":
            return int(status["supervisor"])
        return next(int(c["pid"]) for c in status["processes"] if c["name"] == name)

    def client(
        self,
        service: str,
        keys: tuple[str, str] | tuple[str, str, str] | None = None,
        region: str = "us-east-1",
        retries: int = 1,
    ) -> HostClient:
        """A boto3 client as the administrator, or with other keys (and session token); it pauses up to a second before a retry."""
        stored = json.loads((self.data / "credentials.json").read_text())
        key, secret, *token = keys or (stored["accessKeyId"], stored["secretAccessKey"])
        made: Any = boto3.client(  # type: ignore[call-overload]
            service,  # type: ignore[arg-type]
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token[0] if token else None,
            config=Config(retries={"max_attempts": retries}, read_timeout=30, connect_timeout=5),
        )
        return HostClient(self.host, made)

    def fetch(self, address: str, port: int = 80) -> str:
        """GET / of a task, from the host.

        Raises:
            OSError: nobody answers, or not to the end.
        """

        def get() -> str:
            with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as answer:
                try:
                    return answer.read().decode()
                except http.client.IncompleteRead as error:
                    raise ConnectionResetError(f"the answer broke off: {error}") from error

        return self.host.call(get)

    def serving(self, arn: str) -> str:
        """The address of a task once it is RUNNING and its page is there: its program listens a moment after it was started."""
        address = self.address(self.wait_for(arn, "RUNNING"))

        def look() -> bool:
            with contextlib.suppress(OSError):
                return bool(self.fetch(address))
            return False

        until(look, f"the page of {arn}", 20)
        return address

    def push(self, image: Path, name: str, repository: str) -> str:
        """Make the repository unless it is there and push an image with skopeo; the image's URI."""
        ecr = self.client("ecr")
        with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=repository)
        uri: str = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"]
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        credentials = base64.b64decode(token).decode()
        done = self.host.run(
            [
                *("skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", credentials),
                *(f"oci:{image}:{name}", f"docker://127.0.0.1:{self.port}/{repository}:latest"),
            ]
        )
        assert done.returncode == 0, done.stderr
        return f"{uri}:latest"

    def role(self, name: str, actions: Sequence[str] = PULL_AND_LOG) -> str:
        """A role that tasks may assume and that may do `actions`; its ARN."""
        iam = self.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        if actions:
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
        return arn

    def define(
        self, family: str, image: str, role: str, containers: Sequence[dict[str, Any]] | None = None, **options: Any
    ) -> None:
        """Register a Fargate task definition; containers get image and awslogs unless they have their own."""
        log = {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": f"/test/{family}",
                "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": "t",
                "awslogs-create-group": "true",
            },
        }
        base: dict[str, Any] = {"name": "main", "image": image, "logConfiguration": log}
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName="default")
        ecs.register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            executionRoleArn=role,
            containerDefinitions=[{**base, **c} for c in (containers or [{}])],
            **options,
        )

    def run_task(self, family: str, **options: Any) -> str:
        """RunTask on Fargate in the default subnet; the task's ARN."""
        ecs = self.client("ecs")
        subnet = self.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        answer = ecs.run_task(
            taskDefinition=family,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
            **options,
        )
        assert not answer["failures"], answer["failures"]
        return str(answer["tasks"][0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        """DescribeTasks of one task."""
        cluster = arn.split("/")[1]
        return self.client("ecs").describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]

    def wait_for(self, arn: str, status: str, seconds: float = 60.0) -> dict[str, Any]:
        """The task once it has this last status; fails early when it stopped instead."""

        def look() -> dict[str, Any] | None:
            task = self.task(arn)
            if task["lastStatus"] == "STOPPED" != status:
                raise AssertionError(f"{task.get('stoppedReason')}: {task['containers']}\n{self.last_logs()}")
            return task if task["lastStatus"] == status else None

        try:
            return until(look, f"task {status}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.last_logs()}") from None

    def address(self, task: dict[str, Any]) -> str:
        """The private IPv4 address of a task."""
        details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
        return details["privateIPv4Address"]

    def messages(self, group: str) -> list[str]:
        """Every message of a log group, [] while it does not exist."""
        logs = self.client("logs")
        try:
            return [e["message"] for e in logs.filter_log_events(logGroupName=group)["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def leftovers(self) -> list[str]:
        """Mounts, interfaces, control groups, processes and files of this deployment that are still there."""
        found = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if self._ours(line)]
        links = self.host.netlink(lambda netlink: [link.name for link in netlink.links()])
        found += [f"interface {name}" for name in links if self.tag in name]
        found += [str(p) for p in Path("/sys/fs/cgroup").glob(f"*/*{self.tag}*")]
        found += [str(p) for p in Path("/sys/fs/cgroup").glob(f"*{self.tag}*")]
        found += [str(p) for p in Path("/run").glob(f"*{self.tag}*")]
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                with contextlib.suppress(OSError):
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if self._ours(command):
                        found.append(f"process {process.name}: {command}")
        return found

    def _ours(self, text: str) -> bool:
        return self.tag in text or str(self.data) in text


@contextlib.contextmanager
def live_deployment(
    runtime: str = "runc", *, host: PlayedHost | None = None, port: int = 4566, configuration: str = ""
) -> Generator[LiveDeployment]:
    """A deployment that is up on a played host; it is taken down afterwards, whatever the test did to it.

    `configuration` is the text of its roadstead.toml.
    """
    with contextlib.ExitStack() as stack:
        where = host or stack.enter_context(played_host())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="roadstead-test-"))
        deployment = LiveDeployment(where, Path(folder).resolve() / "data", port, runtime)
        if configuration:
            deployment.data.mkdir(mode=0o700)
            file = deployment.data / "roadstead.toml"
            file.touch(0o600)
            file.write_text(configuration)
        try:
            deployment.up()
            yield deployment
        finally:
            deployment.down()


def web_image(folder: Path, **changes: Any) -> Path:
    """The busybox web image as an OCI layout with the tag `web`."""
    pack(folder, ImageSpec(**changes))
    return folder
