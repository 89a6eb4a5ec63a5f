"""Container output across a kill -9 of the agent, at 1 MB/s, with both shims."""

from __future__ import annotations

import collections
import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.containerd import poll

from roadstead.agent.ecs.logs.bound import guard_argv
from roadstead.agent.ecs.logs.spool import SpoolPaths
from roadstead.agent.runtime import Isolation, Output

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

AGENT = """
import asyncio, os, sys
from pathlib import Path
from roadstead.agent.ecs.logs.shipper import Shipper

async def main(spool, sink):
    async def put(events):
        said = "".join(event.message + "\\n" for event in events).encode()
        assert os.write(sink, said) == len(said)
    shipper = Shipper(Path(spool))
    for container in shipper.left_behind():
        shipper.follow(container, put)
    await asyncio.Event().wait()

sink = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
asyncio.run(main(sys.argv[1], sink))
"""

LINES = 60_000
MEGABYTE_A_SECOND = (
    "busybox awk 'BEGIN { for (i = 0; i < 60000; i++) { "
    'printf "%08d xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\n", i; '
    'if (i % 1000 == 999) { fflush(); system("sleep 0.07") } } }\''
)


async def test_nothing_is_lost_when_the_agent_is_killed(bench: Any, isolation: Isolation, tmp_path: Path) -> None:
    task = await bench.task(isolation)
    sink, spool = tmp_path / "sink", tmp_path / "spool"
    spec = bench.spec(task, MEGABYTE_A_SECOND)
    place = SpoolPaths(spool / spec.id)
    await bench.start(dataclasses.replace(spec, output=Output(place.stdout, place.stderr)))
    agent = _agent(spool, sink)
    await poll(lambda: sink.exists() and sink.stat().st_size > 1 << 20, 30, "the agent ships")
    agent.kill()
    agent.wait()
    written = place.stdout.stat().st_size
    await poll(
        lambda: place.stdout.stat().st_size > written + (1 << 20), 30, "the container writes on without an agent"
    )
    agent = _agent(spool, sink)
    try:
        assert (await bench.exit_of(spec.id)).exit_code == 0
        await bench.runtime.remove(spec.id)
        await poll(lambda: len(_counts(sink)) >= LINES, 30, "all lines arrive")
    finally:
        agent.kill()
        agent.wait()
    counts = _counts(sink)
    assert sorted(counts) == [f"{i:08d}" for i in range(LINES)]
    assert counts.total() - len(counts) < 10_000, "what was sent twice fits between two checkpoints"


async def test_the_guard_bounds_output_that_nobody_reads(bench: Any, tmp_path: Path) -> None:
    bound = 8 << 20
    task = await bench.task(Isolation.RUNC)
    spool = tmp_path / "spool"
    output = Output(spool / "c" / "stdout", spool / "c" / "stderr")
    guard = _process(guard_argv(spool, bound))
    try:
        spec = bench.spec(task, "head -c 100m /dev/zero; echo; echo end; exit 3")
        await bench.start(dataclasses.replace(spec, output=output))
        assert (await bench.exit_of(spec.id)).exit_code == 3, "the container never blocks"
        await bench.runtime.remove(spec.id)
        await poll(lambda: output.stdout.stat().st_blocks * 512 <= bound + 8192, 10, "the file is bounded")
    finally:
        guard.kill()
        guard.wait()
    assert output.stdout.stat().st_size > 100 << 20
    with output.stdout.open("rb") as file:
        file.seek(-4, 2)
        assert file.read() == b"end\n", "the newest output is kept"


def _agent(spool: Path, sink: Path) -> subprocess.Popen[bytes]:
    return _process((sys.executable, "-c", AGENT, str(spool), str(sink)))


def _process(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv)


def _counts(sink: Path) -> collections.Counter[str]:
    return collections.Counter(line[:8] for line in sink.read_text().splitlines())
