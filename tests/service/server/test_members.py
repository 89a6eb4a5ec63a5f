"""No input member of Logs and ECS is left out without a word."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from botocore import xform_name
from botocore.model import OperationModel
from tests.service.server.members import ELSEWHERE, IGNORED, READ, REFUSED
from tests.support.server import Account, refusal

from roadstead.gateway.models import service_model
from roadstead.server.operations import DECLARED

NEEDED: dict[str, Any] = {"logGroupName": "/app", "logStreamName": "web", "containerInstances": ["i"]}
"""Members that an operation with a refused one has beside it."""


def members(operation: str) -> Collection[str]:
    service, _, name = operation.partition(":")
    model: OperationModel = service_model(service).operation_model(name)
    return model.input_shape.members if model.input_shape else ()


def test_every_built_operation_is_in_the_table() -> None:
    assert READ.keys() == {name for name in DECLARED if name.startswith(("logs:", "ecs:"))} - ELSEWHERE


@pytest.mark.parametrize("operation", sorted(READ))
def test_every_member_of_the_model_is_in_the_table(operation: str) -> None:
    told = [*READ[operation].split(), *REFUSED.get(operation, ()), *IGNORED.get(operation, ())]
    assert sorted(told) == sorted(members(operation))


@pytest.mark.parametrize(
    ("operation", "member", "value"),
    [(operation, *each) for operation, refused in REFUSED.items() for each in refused.items()],
)
def test_what_is_not_built_is_refused_by_name(
    sqlite_admin: Account, operation: str, member: str, value: object
) -> None:
    service, _, name = operation.partition(":")
    client = sqlite_admin.server.client(service, sqlite_admin.keys)
    needed = {each: NEEDED[each] for each in members(operation) if each in NEEDED}
    refused = refusal(getattr(client, xform_name(name)), **needed, **{member: value})
    assert (refused.code, refused.status) == ("NotImplemented", 501)
    assert refused.message.startswith(f"{service}: {name} with {member}")
