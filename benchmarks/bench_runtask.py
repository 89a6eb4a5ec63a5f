"""From RunTask to RUNNING with a present image, beside the floor of driving containerd directly, interleaved run by run.

Ours is what a user sees: the RunTask call, then DescribeTasks until it shows RUNNING, asked in a way that takes little of the processors
itself. In that time the call is signed, verified, authorised and committed, an interface of the VPC is made, the registry is asked for the image
with the execution role's keys, the log stream is made, and the container's start is reported and committed.

The floor is what nobody can leave out, done in this process over containerd's native API, on the same containerd, image and runtime:
a network namespace with a veth on a bridge, a snapshot, a container, a task, its start. With gVisor that is, as in a pod of Kubernetes, a
`pause` container that holds a sandbox open, and the container in it. One that is its own sandbox is printed as well ("gvisor alone"), though no
task can be run so: its exit code may be lost, nothing can be started in it again, and it shares its address with nobody. Everything happens on a
namespace that plays the host.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.containerd_floor import Floor, RegistryAccess
from benchmarks.support import Measured, interleave, machine_facts, print_facts, print_table
from tests.support.deployment import LiveDeployment, live_deployment, web_image
from tests.support.namespaces import played_host
from tests.support.server import Keys, read_answer, signed_headers

from roadstead.agent.ecs.registration import CAPABILITIES, HOST_ATTRIBUTE
from roadstead.agent.main import POOL_CLUSTER
from roadstead.server.files import Credentials, read_credentials
from roadstead.wire.identity import AgentIdentity

FAMILY = "web"
PAUSE = 0.01
"""Seconds between two looks."""
PATIENCE = 60.0
CPU_UNITS = 256
"""Of one task."""
AWS_LAUNCH_RATE = 20
"""Fargate's sustained launches a second, by its service quotas."""
AIM_MS = 150


class Watch:
    """DescribeTasks for a tenth of the processor time that boto3 takes, since that comes off what the task that starts has."""

    def __init__(self, port: int, keys: Credentials) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._keys = Keys(account="", key=keys.access_key_id, secret=keys.secret_access_key)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def tasks(self, arns: Sequence[str]) -> list[dict[str, Any]]:
        """The tasks as they are now."""
        body = json.dumps({"tasks": arns}).encode()
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AmazonEC2ContainerServiceV20141113.DescribeTasks",
        }
        self._connection.request(
            "POST", "/", body, signed_headers(self._connection.port, self._keys, "ecs", headers, body)
        )
        answer = read_answer(self._connection.getresponse())
        if answer.status != http.client.OK:
            raise RuntimeError(answer.text)
        return answer.json["tasks"]


class Ours:
    """One deployment with a defined task, asked through boto3."""

    def __init__(self, deployment: LiveDeployment) -> None:
        self.deployment = deployment
        self._keys = read_credentials(deployment.data)
        self._ecs = self._client(self._keys.access_key_id, self._keys.secret_access_key)
        self._subnet = deployment.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        self.stops: list[float] = []

    def launch(self) -> float:
        """Seconds from RunTask to RUNNING; the task is stopped afterwards, and the seconds of that go to `stops`."""
        return self.deployment.host.call(self._launch)

    def burst(self, count: int) -> tuple[float, float]:
        """Seconds until `count` tasks, launched at once, all run, and until all have stopped again."""
        return self.deployment.host.call(self._burst, count)

    def offer(self, cpu_units: int) -> None:
        """Announce the Fargate pool's instance with more processors than the host has, so that a burst finds room."""
        identity = msgspec.json.decode((self.deployment.data / "agent.json").read_bytes(), type=AgentIdentity)
        ecs = self._client(identity.access_key_id, identity.secret_access_key)
        instance = json.loads((self.deployment.data / "agent" / "instance.json").read_bytes())
        ecs.register_container_instance(
            cluster=POOL_CLUSTER,
            containerInstanceArn=instance["containerInstanceArn"],
            totalResources=[
                {"name": "CPU", "type": "INTEGER", "integerValue": cpu_units},
                {"name": "MEMORY", "type": "INTEGER", "integerValue": 4 * cpu_units},
            ],
            attributes=[
                *({"name": name} for name in CAPABILITIES),
                {"name": HOST_ATTRIBUTE, "value": identity.host_id},
            ],
        )

    def _launch(self) -> float:
        began = time.perf_counter()
        tasks = self._run(1)
        self._await(tasks, "RUNNING")
        took = time.perf_counter() - began
        self._await_answers(tasks)
        began = time.perf_counter()
        self._stop(tasks)
        self.stops.append(time.perf_counter() - began)
        return took

    def _burst(self, count: int) -> tuple[float, float]:
        began = time.perf_counter()
        tasks = [arn for some in range(0, count, 10) for arn in self._run(min(10, count - some))]
        self._await(tasks, "RUNNING")
        running = time.perf_counter() - began
        self._await_answers(tasks)
        began = time.perf_counter()
        self._stop(tasks)
        return running, time.perf_counter() - began

    def _await_answers(self, tasks: Sequence[str]) -> None:
        """Wait until the web servers answer: before a program handles SIGTERM, the kernel drops it for the first process."""
        for task in self._ecs.describe_tasks(tasks=list(tasks))["tasks"]:
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    with socket.create_connection((self.deployment.address(task), 80), timeout=PATIENCE):
                        break
                except ConnectionRefusedError:
                    if time.monotonic() > deadline:
                        raise
                time.sleep(PAUSE)

    def _client(self, key: str, secret: str) -> Any:
        return boto3.client(
            "ecs",
            endpoint_url=f"http://127.0.0.1:{self.deployment.port}",
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def _run(self, count: int) -> list[str]:
        answer = self._ecs.run_task(
            taskDefinition=FAMILY,
            launchType="FARGATE",
            count=count,
            networkConfiguration={"awsvpcConfiguration": {"subnets": [self._subnet]}},
        )
        if answer["failures"]:
            raise RuntimeError(answer["failures"])
        return [task["taskArn"] for task in answer["tasks"]]

    def _stop(self, tasks: Sequence[str]) -> None:
        for task in tasks:
            self._ecs.stop_task(task=task)
        self._await(tasks, "STOPPED")

    def _await(self, tasks: Sequence[str], status: str) -> None:
        deadline = time.monotonic() + PATIENCE
        with closing(Watch(self.deployment.port, self._keys)) as watch:
            while True:
                found = watch.tasks(tasks)
                if all(task["lastStatus"] == status for task in found):
                    return
                ended = [task for task in found if task["lastStatus"] == "STOPPED" != status]
                if ended or time.monotonic() > deadline:
                    raise RuntimeError(f"not {status}: {ended or found}\n{self.deployment.last_logs()}")
                time.sleep(PAUSE)


def access(deployment: LiveDeployment) -> RegistryAccess:
    """How the floor pulls the image once, before anything is measured."""
    token = deployment.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return RegistryAccess(f"http://127.0.0.1:{deployment.port}", f"Basic {token}")


@contextmanager
def contender(runtime: str, burst: int) -> Generator[tuple[Ours, Floor]]:
    """A deployment on a host of its own, warmed up, and the floor beside it."""
    with ExitStack() as stack:
        host = stack.enter_context(played_host())
        deployment = stack.enter_context(live_deployment(runtime, host=host))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roadstead-bench-")))
        image = deployment.push(web_image(folder / "image"), "web", FAMILY)
        deployment.define(FAMILY, image, deployment.role("execution"))
        ours = Ours(deployment)
        host.call(ours.offer, 2 * max(burst, 4) * CPU_UNITS)
        floor = stack.enter_context(Floor(host, deployment, folder, runtime, image, access(deployment)))
        for _ in range(2):
            ours.launch()
            floor.launch()
        ours.stops.clear()
        yield ours, floor


def launch_and_settle(ours: Ours, floor: Floor) -> float:
    """`ours.launch`, and until nothing of the task is left: what takes it away shall not run beside the next one, as it doesn't at the floor."""
    took = ours.launch()
    if left := floor.leaked():
        raise RuntimeError(f"left over: {left}")
    return took


def percentile(measured: Measured, part: float) -> float:
    """By nearest rank, in milliseconds."""
    ordered = sorted(measured.figures)
    return ordered[min(len(ordered) - 1, round(part * len(ordered)))] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--burst", type=int, default=20, help="tasks launched at once; 0 leaves it out")
    parser.add_argument("--runtimes", nargs="+", default=["runc", "gvisor"], choices=["runc", "gvisor"])
    arguments = parser.parse_args()
    facts = machine_facts()
    with ExitStack() as stack:
        pairs = {runtime: stack.enter_context(contender(runtime, arguments.burst)) for runtime in arguments.runtimes}
        runs: dict[str, Callable[[], float]] = {}
        for runtime, (ours, floor) in pairs.items():
            runs[f"{runtime} ours"] = partial(launch_and_settle, ours, floor)
            if runtime == "gvisor":
                runs["gvisor floor"] = floor.launch_in_pod
                runs["gvisor alone floor"] = floor.launch
            else:
                runs[f"{runtime} floor"] = floor.launch
        found = interleave(runs, arguments.runs)
        stops = {runtime: Measured(tuple(ours.stops)) for runtime, (ours, _) in pairs.items()}
        bursts = {runtime: ours.burst(arguments.burst) for runtime, (ours, _) in pairs.items() if arguments.burst}
        left = {runtime: floor.leaked() for runtime, (_, floor) in pairs.items()}
    print_facts(facts)
    print(f"\nRunTask to RUNNING, {arguments.runs} runs, ms; aim: p50 within {AIM_MS} ms of the floor\n")
    rows: list[list[str]] = []
    for against in [name.removesuffix(" floor") for name in found if name.endswith(" floor")]:
        ours, floor = found[f"{against.split()[0]} ours"], found[f"{against} floor"]
        for part in (0.5, 0.95):
            mine, least = percentile(ours, part), percentile(floor, part)
            rows.append(
                [
                    f"{against} p{part * 100:.0f}",
                    f"{mine:.0f}",
                    f"{least:.0f}",
                    f"{mine - least:+.0f}",
                    f"{mine / least:.1f}",
                ]
            )
    print_table(["", "ours", "floor", "difference", "ratio"], rows)
    print("\nStopTask to STOPPED, ms; the container ends on SIGTERM\n")
    print_table(
        ["", "p50", "p95"],
        [[name, f"{percentile(each, 0.5):.0f}", f"{percentile(each, 0.95):.0f}"] for name, each in stops.items()],
    )
    if bursts:
        print(f"\n{arguments.burst} tasks launched at once; AWS launches {AWS_LAUNCH_RATE} Fargate tasks a second\n")
        print_table(
            ["", "all RUNNING s", "tasks/s", "all STOPPED s"],
            [[name, f"{up:.2f}", f"{arguments.burst / up:.1f}", f"{down:.2f}"] for name, (up, down) in bursts.items()],
        )
    print(f"\nleft over: {left if any(left.values()) else 'nothing'}")


if __name__ == "__main__":
    main()
