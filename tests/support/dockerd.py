"""A Docker daemon inside a machine of the test's: no bridge, no firewall rules, nothing that outlives it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.clients import Client, program
from tests.support.machine import Machine
from tests.support.waiting import until


@contextmanager
def docker_daemon(machine: Machine, folder: Path) -> Generator[None]:
    """The daemon at its usual socket, images below `folder`; plain HTTP is for registries on loopback, as by default."""
    settings = folder / "daemon.json"
    settings.write_text("{}")
    command = (
        *(str(program("dockerd")), "--config-file", str(settings), "--data-root", str(folder / "docker")),
        *("--storage-driver", "vfs", "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    )
    log = folder / "dockerd.log"
    with log.open("wb") as output:
        process = machine.popen(command, folder, stdout=output, stderr=output)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        return machine.run(("docker", "version"), folder).returncode == 0

    try:
        until(answers, f"the Docker daemon answers: {log}", 60)
        yield
    finally:
        stopped = machine.run(("sh", "-c", "kill $(cat /run/docker.pid)"), folder)
        assert process.wait(60) == 0, f"{stopped.stderr}\n{log.read_text()}"


def own_image(docker: Client, name: str) -> None:
    """Build an image of one layer that no other image has."""
    (docker.home / "page").write_text(f"{docker.home} {name}")
    (docker.home / "Dockerfile").write_text("FROM scratch\nCOPY page /\n")
    docker("build", "--quiet", "--tag", name, docker.home)
