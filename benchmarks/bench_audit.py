"""What the audit trail costs a request: the same server with and without one, interleaved in one run."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from bench_gateway import Contender

from roadstead.cli.settings import Config, write_config
from roadstead.server.files import read_credentials
from support import child, free_port, interleave, listens, machine_facts, print_facts, print_table, ratio_of

CALLS = ("sts:GetCallerIdentity", "ecs:DescribeClusters")
KEPT = {"with": 512, "without": 0}
"""Megabytes of the trail that each server keeps."""


def measure(call: str, contenders: dict[str, Contender], rounds: int) -> list[str]:
    """One row of the table."""
    for each in contenders.values():
        each.burst(call)  # warms caches and compiles what is compiled once
        each.costs.clear()
    found = interleave({name: partial(each.burst, call) for name, each in contenders.items()}, rounds)
    costs = {name: median(each.costs) for name, each in contenders.items()}
    return [
        call,
        *(f"{found[name].median:.0f}" for name in KEPT),
        f"{ratio_of(found['with'], found['without']):.3f}",
        *(f"{costs[name]:.0f}" for name in KEPT),
        f"{costs['with'] / costs['without']:.3f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--requests", type=int, default=4000, help="a burst")
    arguments = parser.parse_args()
    facts = machine_facts()
    with tempfile.TemporaryDirectory(prefix="roadstead-bench-") as folder, contextlib.ExitStack() as stack:
        contenders: dict[str, Contender] = {}
        for name, kept in KEPT.items():
            data, port = Path(folder) / name, free_port()
            write_config(data, Config(listen=f"127.0.0.1:{port}", audit_megabytes=kept))
            program = [sys.executable, "-m", "roadstead", "server", "--data", str(data)]
            pid = stack.enter_context(child(program, Path(folder) / f"{name}.log", partial(listens, port)))
            contenders[name] = Contender(port, pid, arguments.requests, read_credentials(data))
            contenders[name].prepare()
        rows = [measure(call, contenders, arguments.rounds) for call in CALLS]
    print_facts(facts)
    print("medians of requests a second, and of the server's own microseconds of processor time for each request\n")
    print_table(["call", "with/s", "without/s", "ratio", "with CPU us", "without CPU us", "ratio"], rows)


if __name__ == "__main__":
    main()
