"""Who reaches whom: tasks each other, the host its tasks, and no task the host or what lies behind it."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.support.namespaces import HOST_ADDRESS, OUTSIDE_ADDRESS, PlayedHost
from tests.support.waiting import until
from tests.system.tasks.bench import Bench, container, details, script

PORT = 8099
PAGE = "not for tasks"


@contextlib.contextmanager
def serving(place: PlayedHost, folder: Path) -> Generator[Path]:
    """A web server on every address of a played host; the file that says who asked it."""
    (folder / "index.html").write_text(PAGE)
    record = folder / "record"
    command = ["busybox", "httpd", "-f", "-vv", "-p", str(PORT), "-h", str(folder)]
    with record.open("wb") as output:
        server = place.popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            until(lambda: PAGE in _get(place, "127.0.0.1"), "the server on the host", 10)
            record.write_bytes(b"")
            yield record
        finally:
            server.kill()
            server.wait()


# Debian's static busybox falls over its own -T, so `timeout` bounds the attempts of tasks.
def _get(place: PlayedHost, address: str) -> str:
    return place.run(["busybox", "wget", "-qO-", f"http://{address}:{PORT}/"]).stdout


def test_two_tasks_reach_each_other(bench: Bench) -> None:
    web = bench.start({})
    task = bench.running(web)
    address, name = details(task)["privateIPv4Address"], details(task)["privateDnsName"]
    ask = f"until busybox timeout 3 wget -qO- http://{address}/; do sleep 0.2; done; wget -qO- http://{name}/"
    lines = bench.lines(bench.run(script(ask)))
    assert sum("It runs." in line for line in lines) == 2
    assert "It runs." in bench.deployment.fetch(address), "and the host reaches it too"
    bench.stop(web)
    bench.stopped(web)


def test_a_task_reaches_neither_the_host_nor_what_is_behind_it(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host, outside = (address.partition("/")[0] for address in (HOST_ADDRESS, OUTSIDE_ADDRESS))
    links = "169.254.170.5 169.254.170.6 169.254.170.3 169.254.170.2 169.254.169.254 127.0.0.1"
    own = bench.deployment.host.run(["ip", "-4", "-o", "address"]).stdout.split()
    addresses = {host, outside, "10.0.0.1", "192.168.0.1", *links.split()}
    addresses |= {word.partition("/")[0] for before, word in itertools.pairwise(own) if before == "inet"}
    with (
        serving(bench.deployment.host, tmp_path_factory.mktemp("host")) as host_record,
        serving(bench.outside, tmp_path_factory.mktemp("outside")) as outside_record,
    ):
        assert PAGE in _get(bench.deployment.host, outside), "the host itself reaches the outside"
        outside_record.write_bytes(b"")
        asks = [
            f"(busybox timeout 3 wget -qO- http://{each}:{PORT}/ && echo reached {each}) &"
            for each in sorted(addresses)
        ]
        task = bench.run(script("\n".join([*asks, "wait", "ls /proc/1/cwd/ > /dev/null", "echo done"])))
        lines = bench.lines(task)
        assert "done" in lines
        assert not [line for line in lines if line.startswith("reached") or PAGE in line]
        assert host_record.read_text() == outside_record.read_text() == ""


@pytest.mark.parametrize("bench", ["runc"], indirect=True)
def test_the_same_image_by_every_name(bench: Bench) -> None:
    digest = bench.client("ecr").describe_images(repositoryName="web")["imageDetails"][0]["imageDigest"]
    names = (
        f"000000000000.dkr.ecr.us-east-1.amazonaws.com/web@{digest}",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:latest",
        f"000000000000.dkr.ecr.us-east-1.localhost:{bench.deployment.port}/web:latest",
        f"localhost:{bench.deployment.port}/web:latest",
    )
    for name in names:
        task = bench.run(script("echo pulled", image=name))
        assert bench.lines(task) == ["pulled"], f"{name}: {task.get('stoppedReason')}"
        assert (container(task)["image"], container(task)["imageDigest"]) == (name, digest)
