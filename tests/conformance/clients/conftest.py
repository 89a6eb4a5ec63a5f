"""What tests with real clients share: a server, a machine for clients, and something to push."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from examples.oci_image import ImageSpec, pack
from tests.support.clients import BUILD_SECONDS, NAMES, Client, Registry, running_server
from tests.support.dockerd import docker_daemon
from tests.support.machine import Machine, machine
from tests.support.server_process import server_process


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs root, for a machine of its clients', and may have to wait for a client's build."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A server process; each test makes repositories of its own."""
    with server_process(tmp_path_factory.mktemp("server") / "data") as server:
        server.start()
        yield running_server(server)


@pytest.fixture(scope="session")
def clients_machine() -> Iterator[Machine]:
    """Where clients run: what they write about themselves goes with it."""
    with machine(NAMES) as running:
        yield running


@pytest.fixture
def client(clients_machine: Machine, tmp_path: Path) -> Callable[[str], Client]:
    """A client by its name, with a home of this test's."""
    return lambda name: Client(name, tmp_path / "home", clients_machine)


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with one image, `web`, of 1 MB and 6 MB layers."""
    return pack(tmp_path_factory.mktemp("images") / "web", ImageSpec(random_layers=(6_000_000,))).directory


@pytest.fixture(scope="session")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Layouts of one image for two architectures, by their OCI names."""
    folder = tmp_path_factory.mktemp("platforms")
    return {name: pack(folder / name, ImageSpec(architecture=name)).directory for name in ("amd64", "arm64")}


@pytest.fixture(scope="session")
def daemon(clients_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine in which a Docker daemon runs."""
    with docker_daemon(clients_machine, tmp_path_factory.mktemp("docker")):
        yield clients_machine


@pytest.fixture(scope="session")
def archive(layout: Path, clients_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `docker load` reads, with the image `web:1`."""
    target = tmp_path_factory.mktemp("archive") / "web.tar"
    skopeo = Client("skopeo", target.parent, clients_machine)
    skopeo("copy", "--quiet", f"oci:{layout}:web", f"docker-archive:{target}:web:1")
    return target
