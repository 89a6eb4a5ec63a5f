"""An acknowledged write survives kill -9 and power loss."""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.unit.store.powerloss import SYSCALLS, Disk, read_calls

CHILD = [sys.executable, "-m", "tests.unit.store.durability_child"]
ROOT = Path(__file__).parents[3]


def missing(directory: Path, acknowledged: Iterable[str]) -> list[str]:
    """Acknowledged things that are not there, after a check that the database is whole."""
    kinds: dict[str, set[str]] = {"row": set(), "blob": set()}
    for line in acknowledged:
        kind, name = line.split()
        kinds[kind].add(name)
    lost: list[str] = []
    if kinds["row"]:
        connection = sqlite3.connect(directory / "db")
        try:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            present = {name for (name,) in connection.execute("SELECT name FROM test_things")}
        finally:
            connection.close()
        lost += sorted(kinds["row"] - present)
    for location in kinds["blob"]:
        path = directory / "blobs" / "blobs" / location
        encoded = path.name.partition("-")[0]
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != encoded:
            lost.append(location)
    return lost


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_any_moment(tmp_path: Path, seed: int):
    stop_after = random.Random(seed).randint(20, 600)
    lines: list[str] = []
    with subprocess.Popen([*CHILD, str(tmp_path), "1000000"], stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for line in child.stdout:
            if line.startswith(("row ", "blob ")) and line.endswith("\n"):  # not what is logged, nor half a line
                lines.append(line)
            if len(lines) == stop_after:
                child.kill()
        assert child.wait() == -9
    assert len(lines) >= stop_after
    assert missing(tmp_path, lines) == []


def test_power_loss_at_any_moment(tmp_path: Path):
    strace = shutil.which("strace")
    assert strace, "this test watches system calls: apt-get install strace"
    directory, trace = tmp_path / "data", tmp_path / "trace"
    directory.mkdir()
    options = [
        "-f",
        "-y",
        "-xx",
        "-qq",
        "-s",
        "10000000",
        "-e",
        f"trace={SYSCALLS}",
        "-e",
        "signal=none",
        "-o",
        str(trace),
    ]
    subprocess.run(
        [strace, *options, *CHILD, str(directory), "150"], check=True, stdout=subprocess.DEVNULL, cwd=ROOT, timeout=120
    )

    chance = random.Random(1)
    disk = Disk(directory)
    acknowledged: list[str] = []
    with trace.open() as lines:
        for number, call in enumerate(read_calls(lines)):
            disk.feed(call)
            if call.name == "write" and call.arguments.startswith("1<"):
                text = call.strings()[0].decode().strip()
                if text.startswith(("row ", "blob ")):
                    acknowledged.append(text)
            elif chance.random() > 0.05:
                continue
            for kind, luck in (("none", None), ("some", chance)):
                survivor = tmp_path / f"{kind}-{number}"
                survivor.mkdir()
                disk.image(survivor, luck)
                assert missing(survivor, acknowledged) == [], (
                    f"after call {number}, with {kind} of the unsynced writes kept"
                )
                shutil.rmtree(survivor)
    assert len(acknowledged) == 150
    assert any(line.startswith("blob") for line in acknowledged)
    assert disk.syncs > 10


def test_the_model_notices_a_missing_sync(tmp_path: Path):
    """The check itself is checked: without the syncs of the same run, acknowledged writes are found missing."""
    program = (
        "import os, sys; f = os.open(sys.argv[1] + '/db', os.O_CREAT | os.O_RDWR)\n"
        "os.pwrite(f, b'kept', 0); os.fsync(f); d = os.open(sys.argv[1], os.O_RDONLY); os.fsync(d); os.pwrite(f, b'lost', 4)"
    )
    directory, trace, after = tmp_path / "data", tmp_path / "trace", tmp_path / "after"
    directory.mkdir()
    after.mkdir()
    options = ["-f", "-y", "-xx", "-qq", "-s", "10000000", "-e", f"trace={SYSCALLS}", "-o", str(trace)]
    subprocess.run(["strace", *options, sys.executable, "-c", program, str(directory)], check=True)
    disk = Disk(directory)
    with trace.open() as lines:
        for call in read_calls(lines):
            disk.feed(call)
    disk.image(after)
    assert (after / "db").read_bytes() == b"kept"
