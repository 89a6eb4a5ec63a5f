"""Every operation is declared so that IAM can decide about it."""

from __future__ import annotations

import re

import pytest

from roadstead.gateway.models import service_model
from roadstead.server.operations import DECLARED
from roadstead.services.operation import OPERATIONS

ACTION = re.compile(r"[a-z0-9-]+:[A-Z][A-Za-z]+")
OPEN_TO_ALL = {"sts:GetCallerIdentity", "sts:GetSessionToken"}
"""IAM never asks about these (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getsessiontoken.html)."""
READING = (
    "Describe",
    "List",
    "Get",
    "BatchGet",
    "BatchCheck",
    "Filter",
    "Discover",
    "Decode",
    "Simulate",
    "Validate",
    "AssumeRole",
)


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_an_operation_exists_in_its_model_and_has_an_action_of_its_service(name: str):
    operation = OPERATIONS[name]
    service, _, verb = name.partition(":")
    model = service_model(service)
    assert verb in model.operation_names
    assert ACTION.fullmatch(operation.action)
    assert operation.action.partition(":")[0] in (service, model.signing_name)


def test_only_known_operations_are_open_to_everybody_who_signs():
    assert {name for name, each in OPERATIONS.items() if not each.authorised} == OPEN_TO_ALL


WRITES_BLOBS = {
    f"{service}:{verb}"
    for service in ("ecr", "ecr-public")
    for verb in ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload")
}
"""These read the database to decide, and write to the blob store only."""


WRITES_APART = {
    "iam:ChangePassword",
    "iam:CreateLoginProfile",
    "iam:UpdateLoginProfile",
    "roadstead:CheckRegistry",
    "roadstead:CollectRegistryGarbage",
}
"""These hash a password or look at blobs first, and write in transactions of their own."""


@pytest.mark.parametrize(
    "name", sorted({name for name, each in OPERATIONS.items() if each.reads} - WRITES_BLOBS - WRITES_APART)
)
def test_what_runs_in_a_snapshot_is_named_as_a_read(name: str):
    assert name.partition(":")[2].startswith(READING)


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_an_operation_that_names_one_resource_reads_it_for_the_decision(name: str):
    """An operation on something by its name may be allowed for some and denied for others."""
    operation = OPERATIONS[name]
    service, _, verb = name.partition(":")
    shape = service_model(service).operation_model(verb).input_shape
    required = set(shape.required_members) if shape is not None else set[str]()
    if required & NAMES and name not in WITHOUT_RESOURCES:
        assert operation.resources is not None, f"{name} requires {required & NAMES} and decides on *"


NAMES = {
    "UserName",
    "RoleName",
    "repositoryName",
    "logGroupName",
    "hostId",
    "cluster",
    "taskDefinition",
    "resourceArn",
}
"""Members that name the resource which the operation's policies are written for (Service Authorization Reference)."""

WITHOUT_RESOURCES = {
    "ecs:DescribeTaskDefinition",
    "ecs:DeregisterTaskDefinition",
    "roadstead:GetGalleryRepository",
}
"""ECS has no resource-level permissions for these
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html); what the gallery shows is
public.
"""
