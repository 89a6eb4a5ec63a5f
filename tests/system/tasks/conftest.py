"""One deployment for each way of isolating tasks, shared by every test of this folder and checked for leftovers at its end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from tests.support.deployment import live_deployment, web_image
from tests.support.namespaces import played_host_with_uplink
from tests.system.tasks.bench import RESTARTING, Bench, script


@pytest.fixture(scope="session", params=["runc", "gvisor"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Bench]:
    """The deployment; a test that does not depend on the runtime asks for one by indirect parametrization."""
    with played_host_with_uplink() as (host, outside):
        with live_deployment(request.param, host=host) as deployment:
            image = web_image(tmp_path_factory.mktemp("image") / "web")
            bench = Bench(deployment, outside, deployment.push(image, "web", "web"), deployment.role("exec"))
            bench.client("ecs").create_cluster(clusterName="default")
            # What only a minute shows begins now and is looked at late.
            bench.long_runner = bench.start(script("echo started; sleep 61; exit 5", stopTimeout=2, **RESTARTING))
            yield bench
        assert deployment.leftovers() == []


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if "/system/tasks/" in str(item.path):
            item.add_marker(pytest.mark.system)
