"""Killing processes of a live deployment, and looking for what they should not have left."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.containerd import processes_with
from tests.support.deployment import LiveDeployment
from tests.support.waiting import until

from roadstead.engines.supervise.lifecycle import State
from roadstead.engines.supervise.process import ProcessIdentity
from roadstead.engines.supervise.record import Record, read_record

TICKER = "httpd -p 80 -h /www; i=0; while true; do echo tick $i; i=$((i+1)); sleep 0.2; done"
BRIEF = "httpd -p 80 -h /www; sleep 12; echo last words; exit 7"
WEB = "/bin/serve"
VICTIMS = ("agent", "server", "containerd", "guard", "supervisor")
"""Every process that the supervisor has on record, and itself."""
OURS = ("eth0", "ecs-bridge")
"""Links that stay: the host's own, and the one that all tasks reach the agent by."""


@dataclass
class Patient:
    """A deployment whose processes are killed; families `ticker`, `brief` and `web` are registered."""

    deployment: LiveDeployment
    image: str
    role: str
    started: list[str] = field(default_factory=list[str])
    killed: set[ProcessIdentity] = field(default_factory=set[ProcessIdentity])

    def define_all(self) -> None:
        """Register the task definitions."""
        # `web` ends when it is asked to, and may be slow; the others' shell ignores it and has to be killed.
        for family, command, patience in (("ticker", TICKER, 2), ("brief", BRIEF, 2), ("web", WEB, 20)):
            main = {"name": "main", "command": ["sh", "-c", command], "stopTimeout": patience}
            self.deployment.define(family, self.image, self.role, [main])

    def record(self) -> Record:
        """What the supervisor has on record; it was killed or lives, and so there is one."""
        record = read_record(self.deployment.data)
        assert record is not None
        return record

    def processes(self) -> dict[str, ProcessIdentity]:
        """The processes that run, as the supervisor has them on record."""
        record = self.record()
        running = {child.name: child.process for child in record.children if child.process is not None}
        return {"supervisor": record.supervisor, **running}

    def run(self, family: str) -> str:
        """RunTask; remembered, to be stopped in the end."""
        arn = self.deployment.run_task(family)
        self.started.append(arn)
        return arn

    def kill(self, *names: str) -> None:
        """SIGKILL, all at once."""
        running = self.processes()
        for name in names:
            os.kill(running[name].pid, signal.SIGKILL)
            self.killed.add(running[name])

    @contextmanager
    def dead(self, name: str) -> Generator[None]:
        """Without the process while the block lasts; afterwards all is ready again."""
        supervisor = self.processes()["supervisor"].pid
        if name == "supervisor":
            self.kill(name)
            try:
                yield
            finally:
                self.deployment.up()
            return
        os.kill(supervisor, signal.SIGSTOP)
        try:
            self.kill(name)
            yield
        finally:
            os.kill(supervisor, signal.SIGCONT)
            self.well_again()

    @contextmanager
    def frozen(self, name: str) -> Generator[None]:
        """The process does nothing while the block lasts, and lives."""
        pid = self.processes()[name].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # it may have been killed meanwhile
                os.kill(pid, signal.SIGCONT)

    def well_again(self) -> None:
        """Wait until every process runs and the deployment says that it is ready."""

        def ask() -> bool:
            children = self.record().children
            if any(child.state is not State.READY or child.process in self.killed for child in children):
                return False
            with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
            return False

        url = f"http://127.0.0.1:{self.deployment.port}/_roadstead/ready"
        until(lambda: self.deployment.host.call(ask), "ready again", 90)

    def answers(self, address: str) -> bool:
        """Whether a task's page is there now."""
        try:
            return "It runs." in self.deployment.fetch(address)
        except OSError:
            return False

    def ended(self, arn: str) -> dict[str, Any]:
        """The task once it is STOPPED."""
        return self.deployment.wait_for(arn, "STOPPED", 120)

    def settled(self, arn: str) -> dict[str, Any]:
        """The task once it is RUNNING or STOPPED."""

        def look() -> dict[str, Any] | None:
            task = self.deployment.task(arn)
            return task if task["lastStatus"] in ("RUNNING", "STOPPED") else None

        return until(look, f"{arn} RUNNING or STOPPED\n", 120)

    def stop_all(self) -> None:
        """Stop what the test ran and wait until it is STOPPED."""
        ecs = self.deployment.client("ecs")
        for arn in self.started:
            ecs.stop_task(task=arn)
        for arn in self.started:
            self.ended(arn)
        self.started.clear()

    def leaks(self) -> list[str]:
        """What the host still holds of tasks, when there is none any more."""
        run = Path("/run") / f"roadstead-{self.deployment.tag}"
        found = [str(path) for path in (run / "tasks").glob("*")]
        found += [str(path) for path in run.glob("containerd/containerd/io.containerd.runtime.v2.task/*/*")]
        found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/roadstead-{self.deployment.tag}/*/")]
        found += [f"shim {pid}" for pid in self._processes("shim", str(run))]
        found += [i["NetworkInterfaceId"] for i in self._interfaces()]
        for namespace in (run / "netns").iterdir():
            found += [
                f"{namespace.name}: {link}" for link in self._links(namespace) if link[0] in "pe" and link not in OURS
            ]
        return found

    def of_task(self, arn: str, kind: str) -> list[int]:
        """Processes that a task's containers hang on: their `shim`s, or gVisor's `kernel`; those of this deployment alone."""
        return self._processes(kind, arn.rpartition("/")[2], self.deployment.tag)

    def _processes(self, kind: str, *words: str) -> list[int]:
        named = {"shim": "containerd-shim", "kernel": "runsc-sandbox"}[kind]
        return [
            pid for pid, command in processes_with(named).items() if all(word in command for word in (named, *words))
        ]

    def _interfaces(self) -> Sequence[dict[str, Any]]:
        return self.deployment.client("ec2").describe_network_interfaces()["NetworkInterfaces"]

    def _links(self, namespace: Path) -> list[str]:
        """The links of a namespace; those of tasks begin with p (the VPC's end) or e (the task's)."""
        done = self.deployment.host.run(["nsenter", f"--net={namespace}", "ip", "-o", "link"])
        return [line.split()[1].partition("@")[0].rstrip(":") for line in done.stdout.splitlines()]
