from __future__ import annotations

from typing import Any

import pytest

from roadstead.core.taskdef.errors import InvalidTaskParameter
from roadstead.core.taskdef.images import EcrRegistry, ecr_registry, registry_host
from roadstead.core.taskdef.overrides import apply, echoed

OWN = EcrRegistry("000000000000", "us-east-1")
DEFINITION: dict[str, Any] = {
    "cpu": "256",
    "containerDefinitions": [
        {
            "name": "app",
            "image": "x",
            "command": ["a"],
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        },
        {"name": "side", "image": "y"},
    ],
}


def test_environment_is_merged_and_the_rest_replaced() -> None:
    given = {
        "cpu": "1 vCPU",
        "containerOverrides": [{"name": "app", "command": ["b"], "environment": [{"name": "B", "value": "3"}]}],
    }
    changed = apply(DEFINITION, given)
    assert changed["cpu"] == "1024"
    app, side = changed["containerDefinitions"]
    assert app["command"] == ["b"]
    assert app["environment"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]
    assert side == {"name": "side", "image": "y"}
    assert DEFINITION["containerDefinitions"][0]["command"] == ["a"]


def test_every_container_is_echoed() -> None:
    assert echoed(DEFINITION, {})["containerOverrides"] == [{"name": "app"}, {"name": "side"}]


def test_unknown_container() -> None:
    with pytest.raises(InvalidTaskParameter, match="Override for container named x is not a container"):
        apply(DEFINITION, {"containerOverrides": [{"name": "x"}]})


@pytest.mark.parametrize(
    ("image", "host", "registry"),
    [
        ("busybox", "docker.io", None),
        ("library/busybox:1", "docker.io", None),
        ("ghcr.io/a/b", "ghcr.io", None),
        ("localhost:4566/web", "localhost:4566", OWN),
        ("localhost:5000/web", "localhost:5000", OWN),
        (
            "111111111111.dkr.ecr.eu-west-1.localhost:4566/web",
            "111111111111.dkr.ecr.eu-west-1.localhost:4566",
            EcrRegistry("111111111111", "eu-west-1"),
        ),
        (
            "111111111111.dkr.ecr.eu-west-1.amazonaws.com/web@sha256:1",
            "111111111111.dkr.ecr.eu-west-1.amazonaws.com",
            EcrRegistry("111111111111", "eu-west-1"),
        ),
        (
            "111111111111.dkr.ecr-fips.eu-west-1.amazonaws.com/web",
            "111111111111.dkr.ecr-fips.eu-west-1.amazonaws.com",
            EcrRegistry("111111111111", "eu-west-1"),
        ),
        (
            "111111111111.dkr-ecr-fips.eu-west-1.on.aws/web",
            "111111111111.dkr-ecr-fips.eu-west-1.on.aws",
            EcrRegistry("111111111111", "eu-west-1"),
        ),
        (
            "111111111111.dkr.ecr.eu-west-1.example.com/web",
            "111111111111.dkr.ecr.eu-west-1.example.com",
            None,
        ),
        ("1.dkr.ecr.eu-west-1.amazonaws.com/web", "1.dkr.ecr.eu-west-1.amazonaws.com", None),
    ],
)
def test_registries(image: str, host: str, registry: EcrRegistry | None) -> None:
    assert registry_host(image) == host
    assert ecr_registry(image, default_host="localhost", default=OWN) == registry
