"""No member of a task definition or of RunTask is left out without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from tests.unit.core.taskdef.members import REGISTER, RUN_TASK

from roadstead.core.taskdef import overrides
from roadstead.core.taskdef.unbuilt import unbuilt, unbuilt_in_request
from roadstead.gateway.models import service_model

TESTS = Path(__file__).parents[3]
Definition = dict[str, Any]


def leaves(shape: Shape, table: Mapping[str, str], path: str = "") -> Iterator[str]:
    """The members that the table names, and those that nothing in it covers, as paths."""
    if path in table:
        yield path
    elif isinstance(shape, ListShape):
        yield from leaves(shape.member, table, path)
    elif isinstance(shape, StructureShape):
        for name, member in cast("Mapping[str, Shape]", shape.members).items():
            yield from leaves(member, table, f"{path}.{name}" if path else name)
    else:
        yield path


@pytest.mark.parametrize(("name", "table"), [("RegisterTaskDefinition", REGISTER), ("RunTask", RUN_TASK)])
def test_every_member_of_the_model_is_in_the_table(name: str, table: Mapping[str, str]) -> None:
    operation: OperationModel = service_model("ecs").operation_model(name)
    assert operation.input_shape is not None
    assert set(leaves(operation.input_shape, table)) == table.keys()


@pytest.mark.parametrize("test", sorted({*REGISTER.values(), *RUN_TASK.values()}))
def test_the_tests_that_the_table_names_are_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")


def definition(container: Definition | None = None, **task: Any) -> Definition:
    return {"containerDefinitions": [{"name": "app", "image": "busybox", **(container or {})}], **task}


def volume(**kind: Any) -> Definition:
    return definition(volumes=[{"name": "data", **kind}])


EVERYWHERE = [
    (volume(efsVolumeConfiguration={"fileSystemId": "fs-1"}), "volumes[data].efsVolumeConfiguration"),
    (volume(s3filesVolumeConfiguration={"fileSystemArn": "a"}), "volumes[data].s3filesVolumeConfiguration"),
    (
        volume(fsxWindowsFileServerVolumeConfiguration={"fileSystemId": "fs-1"}),
        "volumes[data].fsxWindowsFileServerVolumeConfiguration",
    ),
    (volume(configuredAtLaunch=True), "volumes[data].configuredAtLaunch"),
    (definition(proxyConfiguration={"containerName": "envoy"}), "proxyConfiguration"),
    (definition(inferenceAccelerators=[{"deviceName": "d"}]), "inferenceAccelerators"),
    (definition(ephemeralStorage={"sizeInGiB": 50}), "ephemeralStorage"),
    (definition(trustedExecutionConfiguration={"isolationMode": "SHARED"}), "trustedExecutionConfiguration"),
    (definition({"resourceRequirements": [{"type": "GPU"}]}), "containerDefinitions[app].resourceRequirements"),
    (definition({"firelensConfiguration": {"type": "fluentbit"}}), "containerDefinitions[app].firelensConfiguration"),
    (definition({"credentialSpecs": ["credentialspec:x"]}), "containerDefinitions[app].credentialSpecs"),
    (definition({"linuxParameters": {"devices": [{}]}}), "containerDefinitions[app].linuxParameters.devices"),
    (definition({"linuxParameters": {"maxSwap": 0}}), "containerDefinitions[app].linuxParameters.maxSwap"),
    (definition({"linuxParameters": {"swappiness": 0}}), "containerDefinitions[app].linuxParameters.swappiness"),
    (
        definition({"logConfiguration": {"logDriver": "awslogs", "secretOptions": [{"name": "x"}]}}),
        "containerDefinitions[app].logConfiguration.secretOptions",
    ),
]
ON_FARGATE = [
    (definition(pidMode="task"), "pidMode"),
    (definition(ipcMode="none"), "ipcMode"),
    (definition(enableFaultInjection=True), "enableFaultInjection"),
    (definition({"environmentFiles": [{"type": "s3"}]}), "containerDefinitions[app].environmentFiles"),
    (definition({"interactive": True}), "containerDefinitions[app].interactive"),
    (definition({"pseudoTerminal": True}), "containerDefinitions[app].pseudoTerminal"),
    (definition({"dockerSecurityOptions": ["x"]}), "containerDefinitions[app].dockerSecurityOptions"),
    *(
        (
            definition({"logConfiguration": {"logDriver": driver}}),
            f"containerDefinitions[app].logConfiguration.logDriver {driver}",
        )
        for driver in ("awsfirelens", "splunk")
    ),
    *(
        (
            definition({"logConfiguration": {"logDriver": "awslogs", "options": {option: value}}}),
            f"containerDefinitions[app].logConfiguration.options.{named}",
        )
        for option, value, named in (
            ("mode", "blocking", "mode=blocking"),
            ("awslogs-datetime-format", "%Y", "awslogs-datetime-format"),
            ("awslogs-multiline-pattern", "^x", "awslogs-multiline-pattern"),
            ("awslogs-endpoint", "http://127.0.0.1", "awslogs-endpoint"),
        )
    ),
]


@pytest.mark.parametrize(("asked", "name"), EVERYWHERE + ON_FARGATE)
def test_what_is_not_built_is_named(asked: Definition, name: str) -> None:
    assert unbuilt(asked, "FARGATE") == [name]


@pytest.mark.parametrize(("asked", "name"), EVERYWHERE)
def test_instances_get_none_of_what_no_payload_carries(asked: Definition, name: str) -> None:
    assert unbuilt(asked, "EC2") == [name]


@pytest.mark.parametrize(("asked", "name"), ON_FARGATE)
def test_an_instances_agent_decides_about_the_rest(asked: Definition, name: str) -> None:
    assert unbuilt(asked, "EC2") == []


def test_members_that_ask_for_nothing_are_no_reason() -> None:
    nothing = {
        "interactive": False,
        "resourceRequirements": [],
        "linuxParameters": {"initProcessEnabled": True, "devices": []},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"mode": "non-blocking", "max-buffer-size": "1m"},
            "secretOptions": [],
        },
    }
    asked = definition(nothing, volumes=[{"name": "data", "host": {}, "configuredAtLaunch": False}])
    assert unbuilt({**asked, "enableFaultInjection": False, "pidMode": ""}, "FARGATE") == []


def test_overrides_count() -> None:
    override = {
        "name": "app",
        "environmentFiles": [{"type": "s3", "value": "arn"}],
        "resourceRequirements": [{"type": "GPU", "value": "1"}],
    }
    given = {"containerOverrides": [override], "ephemeralStorage": {"sizeInGiB": 30}}
    assert unbuilt(overrides.apply(definition(), given), "FARGATE") == [
        "ephemeralStorage",
        "containerDefinitions[app].resourceRequirements",
        "containerDefinitions[app].environmentFiles",
    ]


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"enableExecuteCommand": True}, "enableExecuteCommand"),
        ({"volumeConfigurations": [{"name": "data"}]}, "volumeConfigurations"),
        ({"overrides": {"inferenceAcceleratorOverrides": [{}]}}, "overrides.inferenceAcceleratorOverrides"),
        ({"launchType": "MANAGED_INSTANCES"}, "launchType MANAGED_INSTANCES"),
    ],
)
def test_what_run_task_may_not_ask_for(request_: Definition, name: str) -> None:
    assert unbuilt_in_request(request_) == [name]
    assert unbuilt_in_request({"enableExecuteCommand": False, "overrides": {}, "launchType": "FARGATE"}) == []
