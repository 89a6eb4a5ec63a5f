"""How long `roadstead up --detach` takes, and what an idle deployment costs.

    python benchmarks/bench_startup.py [--rounds 5] [--idle 30]

Each deployment lives in a network namespace of its own. "containerd alone" is the floor in the same rounds: the engine's own start
until it listens. Processor time is what a busy machine does not change much; seconds are only good on an idle one. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from tests.support.deployment import PROGRAM, LiveDeployment  # noqa: E402
from tests.support.namespaces import played_host  # noqa: E402

from support import machine_facts, print_facts, print_table  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
NAMES = ("supervisor", "containerd", "guard", "server", "agent")


@dataclass(frozen=True)
class Start:
    """One start: seconds until ready, and the processor time of everything up to then."""

    seconds: float
    cpu: float


def pids(data: Path) -> dict[str, int]:
    """The processes of a deployment that is up."""
    record = json.loads((data / "supervisor.json").read_text())
    return {"supervisor": record["supervisor"]["pid"]} | {c["name"]: c["process"]["pid"] for c in record["children"]}


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children that it waited for (proc_pid_stat(5), fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def memory_mib(pid: int) -> float:
    """Proportional set size (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def timed_up(deployment: LiveDeployment) -> Start:
    """One `up --detach`."""
    arguments = ["up", "--detach", "--no-profile", "--listen", f"127.0.0.1:{deployment.port}"]
    command = [*PROGRAM, *arguments, "--fargate-runtime", deployment.runtime, "--data", str(deployment.data)]
    before = os.times()
    began = time.perf_counter()
    done = deployment.host.run(command, timeout=120)
    seconds = time.perf_counter() - began
    after = os.times()
    assert done.returncode == 0, done.stdout + done.stderr
    caller = after.children_user + after.children_system - before.children_user - before.children_system
    return Start(seconds, caller + sum(cpu_seconds(pid) for pid in pids(deployment.data).values()))


def timed_containerd(deployment: LiveDeployment) -> Start:
    """The same containerd with the same configuration and nothing else, until it listens."""
    config = deployment.data / "containerd" / "config.toml"
    program = json.loads((deployment.data / "argv.json").read_text())[0]
    socket = Path("/run") / f"roadstead-{deployment.tag}" / "containerd" / "containerd.sock"
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = time.perf_counter()
    process = subprocess.Popen([program, "--config", str(config)], stderr=subprocess.DEVNULL)
    try:
        while not socket.exists():
            time.sleep(0.002)
        return Start(time.perf_counter() - began, cpu_seconds(process.pid))
    finally:
        process.terminate()
        process.wait()
        deployment.down()


def remember_containerd(deployment: LiveDeployment) -> None:
    """Keep containerd's command line for `timed_containerd`."""
    command = Path(f"/proc/{pids(deployment.data)['containerd']}/cmdline").read_bytes().decode().split("\0")
    (deployment.data / "argv.json").write_text(json.dumps(command))


def idle(deployment: LiveDeployment, seconds: float) -> list[tuple[str, float, float]]:
    """For each process: its share of a core over some seconds of nothing to do, and its memory in MiB."""
    time.sleep(8)
    processes = pids(deployment.data)
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    began = time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - began
    return [
        (name, (cpu_seconds(processes[name]) - before[name]) / passed, memory_mib(processes[name])) for name in NAMES
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=30.0, help="seconds to look at an idle deployment")
    options = parser.parse_args()
    facts = machine_facts()
    starts: dict[str, list[Start]] = {"first start (empty directory)": [], "later start": [], "containerd alone": []}
    with played_host() as host, tempfile.TemporaryDirectory(prefix="roadstead-bench-") as folder:
        deployment = None
        for turn in range(options.rounds):
            deployment = LiveDeployment(host, Path(folder).resolve() / str(turn), 4566, "gvisor")
            try:
                starts["first start (empty directory)"].append(timed_up(deployment))
                remember_containerd(deployment)
                deployment.down()
                starts["later start"].append(timed_up(deployment))
            finally:
                deployment.down()
            starts["containerd alone"].append(timed_containerd(deployment))
        assert deployment is not None
        deployment.up()
        try:
            quiet = idle(deployment, options.idle)
        finally:
            deployment.down()
    print_facts(facts)
    print()
    rows = [
        [
            name,
            f"{statistics.median(s.seconds for s in taken):.2f} s",
            f"{min(s.seconds for s in taken):.2f} s",
            f"{statistics.median(s.cpu for s in taken):.2f} s",
        ]
        for name, taken in starts.items()
    ]
    print_table(["start until ready", "median", "best", "processor time"], rows)
    print()
    rows = [[name, f"{share:.2%}", f"{memory:.0f} MiB"] for name, share, memory in quiet]
    rows.append(["together", f"{sum(q[1] for q in quiet):.2%}", f"{sum(q[2] for q in quiet):.0f} MiB"])
    print_table([f"idle for {options.idle:g} s", "of a core", "memory (PSS)"], rows)


if __name__ == "__main__":
    main()
