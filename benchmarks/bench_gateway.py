"""API requests a second through the gateway, beside moto's server, interleaved in one run.

Ours verifies every signature, authorises by policy and reads SQLite in the request's transaction; moto's server does none of these by default.
Both run as their own processes on this machine and are asked by the same load generator over 8 keep-alive connections.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import boto3
from signed_load import CALLS

from roadstead.cli.settings import Config, write_config
from roadstead.server.files import Credentials, read_credentials
from support import (
    child,
    cpu_seconds,
    free_port,
    interleave,
    listens,
    machine_facts,
    print_facts,
    print_table,
    ratio_of,
)

CLIENTS = 8
LOAD = Path(__file__).with_name("signed_load.py")


@dataclass(slots=True)
class Contender:
    """A server under load; `costs` are its own microseconds of processor time for each request, a figure a burst."""

    port: int
    pid: int
    requests: int
    credentials: Credentials
    costs: list[float] = field(default_factory=list[float])

    def burst(self, call: str) -> float:
        """Requests a second of one burst; every one of them must have succeeded."""
        options = {
            "--port": self.port,
            "--key": self.credentials.access_key_id,
            "--secret": self.credentials.secret_access_key,
            "--connections": CLIENTS,
            "--requests": self.requests,
        }
        command = [sys.executable, str(LOAD), call]
        before = cpu_seconds(self.pid)
        done = subprocess.run(
            [*command, *(str(part) for pair in options.items() for part in pair)],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        result = json.loads(done.stdout)
        if set(result["statuses"]) != {"200"}:
            raise RuntimeError(f"{call} on port {self.port} answered {result['statuses']}")
        self.costs.append((cpu_seconds(self.pid) - before) / result["requests"] * 1e6)
        return result["requests"] / result["seconds"]

    def prepare(self) -> None:
        """Make the cluster that DescribeClusters describes."""
        ecs = boto3.client(
            "ecs",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=self.credentials.access_key_id,
            aws_secret_access_key=self.credentials.secret_access_key,
        )
        ecs.create_cluster(clusterName="default")


def measure(call: str, ours: Contender, peer: Contender, rounds: int) -> list[str]:
    """One row of the table."""
    contenders = {"ours": ours, "peer": peer}
    for contender in contenders.values():
        contender.burst(call)  # warms caches and compiles what is compiled once
        contender.costs.clear()
    found = interleave({name: partial(each.burst, call) for name, each in contenders.items()}, rounds)
    mine, other = found["ours"], found["peer"]
    cpu, peer_cpu = median(ours.costs), median(peer.costs)
    return [
        call,
        *(f"{mine.median:.0f}", f"±{mine.spread:.0%}", f"{other.median:.0f}", f"±{other.spread:.0%}"),
        f"{ratio_of(mine, other):.1f}",
        *(f"{cpu:.0f}", f"{peer_cpu:.0f}", f"{peer_cpu / cpu:.1f}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=2000, help="a burst, for ours; the peer gets a quarter")
    arguments = parser.parse_args()
    facts = machine_facts()
    with tempfile.TemporaryDirectory(prefix="roadstead-bench-") as folder:
        data = Path(folder) / "data"
        port, peer_port = free_port(), free_port()
        write_config(data, Config(listen=f"127.0.0.1:{port}"))
        program = [sys.executable, "-m", "roadstead", "server", "--data", str(data)]
        peer_program = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(peer_port)]
        with (
            child(program, Path(folder) / "ours.log", lambda: listens(port)) as pid,
            child(peer_program, Path(folder) / "peer.log", lambda: listens(peer_port)) as peer_pid,
        ):
            credentials = read_credentials(data)
            ours = Contender(port, pid, arguments.requests, credentials)
            peer = Contender(peer_port, peer_pid, arguments.requests // 4, credentials)
            for each in (ours, peer):
                each.prepare()
            rows = [measure(call, ours, peer, arguments.rounds) for call in CALLS]
    print_facts(facts)
    print(
        f"{arguments.rounds} rounds, {CLIENTS} clients; medians of requests a second, and of the server's own microseconds of"
    )
    print("processor time for each request; moto closes the connection after every answer\n")
    print_table(["call", "ours/s", "", "moto/s", "", "ratio", "ours CPU us", "moto CPU us", "ratio"], rows)


if __name__ == "__main__":
    main()
