"""Deployments that come up and go down."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.deployment import PROGRAM, LiveDeployment
from tests.support.namespaces import PlayedHost, played_host

MakeDeployment = Callable[..., LiveDeployment]


@pytest.fixture
def host() -> Generator[PlayedHost]:
    """A network namespace that plays the host."""
    with played_host() as played:
        yield played


@pytest.fixture
def deployment_of(host: PlayedHost) -> Generator[MakeDeployment]:
    """Makes deployments on the host, not yet up; each is taken down in the end and leaves nothing."""
    with ExitStack() as stack:
        made: list[LiveDeployment] = []

        def make(runtime: str = "runc", port: int = 4566) -> LiveDeployment:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="roadstead-test-"))
            made.append(LiveDeployment(host, Path(folder).resolve() / "data", port, runtime))
            return made[-1]

        yield make
        for deployment in made:
            deployment.down()
        assert [found for deployment in made for found in deployment.leftovers()] == []


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if "/system/lifecycle/" in str(item.path):
            item.add_marker(pytest.mark.system)


def connect(deployment: LiveDeployment, vpc: str, *command: str) -> subprocess.CompletedProcess[str]:
    """`roadstead connect VPC -- COMMAND`."""
    return deployment.host.run([*PROGRAM, "connect", "--data", str(deployment.data), vpc, "--", *command])


def text_of(done: subprocess.CompletedProcess[str]) -> str:
    """Everything that a command wrote."""
    return done.stdout + done.stderr


def exports(text: str) -> Mapping[str, str]:
    """The variables of `roadstead env`."""
    return dict(line.removeprefix("export ").split("=", 1) for line in text.splitlines())
