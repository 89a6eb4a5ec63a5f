from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.gateway.models import SERVICES, service_model
from roadstead.gateway.protocols.constraints import Kind, Violation
from roadstead.gateway.protocols.errors import ValidationFailure
from roadstead.gateway.protocols.validate import MOST, validate, violations_of
from roadstead.gateway.protocols.validation_style import STYLES, camel_path, list_message

REPOSITORY = service_model("ecr").shape_for("RepositoryName").metadata["pattern"]


def refused(service: str, operation: str, params: dict[str, object]) -> tuple[str, str]:
    with pytest.raises(ValidationFailure) as caught:
        validate(service, service_model(service).operation_model(operation), params)
    return caught.value.error_code, caught.value.message


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "message"),
    [
        (
            "ecr",
            "CreateRepository",
            {"repositoryName": "a"},
            "InvalidParameterException",
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
            "'must have length greater than or equal to 2'",
        ),
        (
            "ecr",
            "CreateRepository",
            {"repositoryName": "UPPER"},
            "InvalidParameterException",
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
            f"'must satisfy regular expression '{REPOSITORY}''",
        ),
        (
            "ecr",
            "GetAuthorizationToken",
            {"registryIds": ["12345"]},
            "InvalidParameterException",
            "Invalid parameter at 'registryIds' failed to satisfy constraint: "
            "'Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]{12}]'",
        ),
        (
            "ecs",
            "RunTask",
            {},
            "InvalidParameterException",
            "TaskDefinition can not be blank.",
        ),
        (
            "ecs",
            "RegisterTaskDefinition",
            {"containerDefinitions": []},
            "ClientException",
            "Family can not be blank.",
        ),
        (
            "ecs",
            "RunTask",
            {"taskDefinition": "web", "launchType": "MOON"},
            "InvalidParameterException",
            "1 validation error detected: Value 'MOON' at 'launchType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES]",
        ),
        (
            "iam",
            "CreateRole",
            {"RoleName": "a b", "AssumeRolePolicyDocument": "{}", "MaxSessionDuration": 1},
            "ValidationError",
            "2 validation errors detected: Value 'a b' at 'roleName' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\w+=,.@-]+; "
            "Value '1' at 'maxSessionDuration' failed to satisfy constraint: "
            "Member must have value greater than or equal to 3600",
        ),
        (
            "sts",
            "AssumeRole",
            {"RoleArn": "arn:aws:iam::000000000000:role/a"},
            "ValidationError",
            "1 validation error detected: Value null at 'roleSessionName' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "logs",
            "CreateLogGroup",
            {"logGroupName": "a b"},
            "InvalidParameterException",
            "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
        ),
        (
            "ec2",
            "CreateSubnet",
            {},
            "MissingParameter",
            "The request must contain the parameter VpcId",
        ),
        (
            "ec2",
            "DescribeSpotPriceHistory",
            {"InstanceTypes": ["moon.large"]},
            "InvalidParameterValue",
            "Value (moon.large) for parameter instanceTypes.1 is invalid.",
        ),
        (
            "ssm",
            "PutParameter",
            {"Name": "a", "Value": "x" * 3, "Tier": "Huge"},
            "ValidationException",
            "1 validation error detected: Value 'Huge' at 'tier' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Standard, Advanced, Intelligent-Tiering]",
        ),
        (
            "cloudwatch",
            "PutMetricData",
            {"Namespace": "n", "MetricData": [{}]},
            "MissingParameter",
            "The parameter MetricData.member.1.MetricName is required.",
        ),
        (
            "roadstead",
            "UpdateHostResourceStatus",
            {"hostId": "h", "statuses": [{"kind": "vpc", "id": "x"}]},
            "InvalidParameterException",
            "1 validation error detected: Value null at 'statuses.1.member.observedGeneration' failed to satisfy "
            "constraint: Member must not be null",
        ),
    ],
)
def test_each_service_words_it_its_own_way(
    service: str, operation: str, params: dict[str, object], code: str, message: str
) -> None:
    got_code, got_message = refused(service, operation, params)
    assert got_code == code
    assert got_message.startswith(message)


def test_sensitive_values_are_not_repeated() -> None:
    short = Violation(Kind.LENGTH, ("Value",), "Member must have length greater than or equal to 9", "hidden", True)
    assert list_message([short]) == (
        "1 validation error detected: Value at 'value' failed to satisfy constraint: "
        "Member must have length greater than or equal to 9"
    )
    _, message = refused("iam", "ChangePassword", {"OldPassword": "", "NewPassword": "hidden" * 100})
    assert "hidden" not in message


def test_inspector_lists_the_fields() -> None:
    operation = service_model("inspector2").operation_model("ListFindings")
    with pytest.raises(ValidationFailure) as caught:
        validate("inspector2", operation, {"maxResults": 0})
    assert caught.value.members["reason"] == "FIELD_VALIDATION_FAILED"
    assert caught.value.members["fields"] == [
        {"name": "maxResults", "message": "Member must have value greater than or equal to 1"}
    ]


def test_exactly_one_member_of_a_union() -> None:
    service = service_model("ecs")
    shape = next(
        (service.operation_model(name), member)
        for name in service.operation_names
        if (given := service.operation_model(name).input_shape) is not None
        for member, member_shape in given.members.items()
        if getattr(member_shape, "is_tagged_union", False)
    )
    operation, member = shape
    kinds = {violation.kind for violation in violations_of(operation, {member: {}})}
    assert Kind.UNION in kinds


def test_nulls_in_lists_are_missing_members() -> None:
    operation = service_model("ecs").operation_model("DescribeClusters")
    assert [v.path for v in violations_of(operation, {"clusters": ["a", None]})] == [("clusters", 2)]


def test_the_number_of_violations_is_bounded() -> None:
    operation = service_model("ecr").operation_model("BatchGetRepositoryScanningConfiguration")
    assert len(violations_of(operation, {"repositoryNames": ["?"] * 100_000})) == MOST


def test_good_parameters_pass() -> None:
    validate("sts", service_model("sts").operation_model("GetCallerIdentity"), {})
    validate("ecr", service_model("ecr").operation_model("CreateRepository"), {"repositoryName": "team/web-app"})
    tags = [{"key": "Ünïcode key", "value": ""}]
    validate("ecs", service_model("ecs").operation_model("CreateCluster"), {"clusterName": "c", "tags": tags})


def test_every_service_has_a_style_and_its_code_is_a_code_of_the_service() -> None:
    assert STYLES.keys() == SERVICES


def test_paths() -> None:
    assert camel_path(("Tags", 1, "Key")) == "tags.1.member.key"
    assert camel_path(("clusters", 2)) == "clusters.2.member"


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=300), st.integers(-5, 5000))
def test_length_and_range_agree_with_the_model(name: str, most: int) -> None:
    operation = service_model("iam").operation_model("ListUsers")
    kinds = {v.kind for v in violations_of(operation, {"Marker": name, "MaxItems": most})}
    assert (Kind.RANGE in kinds) == (not 1 <= most <= 1000)
    assert (Kind.LENGTH in kinds) == (not 1 <= len(name) <= 320)
