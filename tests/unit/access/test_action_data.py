"""The data that the service authorization reference is packaged as, read as the rest of the program needs it."""

from __future__ import annotations

import pytest

from roadstead.access import action_data

TASK = "arn:aws:ecs:eu-west-1:111122223333:task/prod/0123"


def test_an_action_has_its_resource_types_and_keys_whatever_its_case() -> None:
    details = action_data.action_details("ECS:stoptask")
    assert details is not None
    assert (details.name, details.access_level) == ("StopTask", "Write")
    assert [kind.key for kind in action_data.resource_types("ecs:StopTask")] == ["task"]
    assert {"ecs:cluster", "aws:ResourceTag/${TagKey}"} <= action_data.condition_keys("ecs:StopTask")


@pytest.mark.parametrize("action", ["ecs:NoSuchAction", "nosuchservice:RunTask", "roadstead:Nothing", "nothing"])
def test_what_is_unknown_is_nothing(action: str) -> None:
    assert action_data.action_details(action) is None
    assert action_data.resource_types(action) == ()
    assert action_data.condition_keys(action) == frozenset()


@pytest.mark.parametrize(
    ("arn", "fits"),
    [
        (TASK, True),
        (TASK.replace("task/", "service/"), False),
        (TASK.replace("/0123", ""), False),
        (TASK.replace("ecs", "ecr"), False),
        ("*", False),
    ],
)
def test_templates_of_arns(arn: str, fits: bool) -> None:
    task = action_data.resource_type("ecs", "task")
    assert task is not None
    assert task.names(arn) is fits


def test_our_own_service_is_known_in_the_same_way() -> None:
    host = action_data.resource_types("roadstead:WatchHostResources")[0]
    assert host.names("arn:aws:roadstead:us-east-1:999999999999:host/h1")
    assert "DescribeHosts" in action_data.actions_of("roadstead")


@pytest.mark.parametrize(
    ("service", "prefix"),
    [("ecr", "ecr:ResourceTag/"), ("iam", "iam:ResourceTag/"), ("logs", None), ("roadstead", None), ("none", None)],
)
def test_services_with_a_tag_key_of_their_own(service: str, prefix: str | None) -> None:
    assert action_data.own_tag_prefix(service) == prefix
