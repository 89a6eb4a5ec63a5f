"""One deployment for each way of isolating tasks, whose processes are killed again and again."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest
from tests.support.deployment import live_deployment, web_image
from tests.support.namespaces import played_host
from tests.system.crashes.victims import Patient


@pytest.fixture(scope="session", params=["runc", "gvisor"])
def shared_patient(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Patient]:
    """The deployment; every test is one more thing that it survives."""
    with played_host() as host:
        with live_deployment(request.param, host=host) as deployment:
            image = web_image(tmp_path_factory.mktemp("image") / "web")
            patient = Patient(deployment, deployment.push(image, "web", "web"), deployment.role("exec"))
            patient.define_all()
            yield patient
        assert deployment.leftovers() == []


@pytest.fixture
def patient(shared_patient: Patient) -> Generator[Patient]:
    """The deployment, which has to be clean after each test."""
    yield shared_patient
    shared_patient.stop_all()
    found = shared_patient.leaks()
    deadline = time.monotonic() + 30
    while found and time.monotonic() < deadline:
        time.sleep(0.1)
        found = shared_patient.leaks()
    assert found == []


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if "/system/crashes/" in str(item.path):
            item.add_marker(pytest.mark.system)
