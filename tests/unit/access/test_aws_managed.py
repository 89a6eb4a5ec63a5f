"""AWS's managed policies: every one can be read, stands under its real ARN, and grants what it is known for."""

from __future__ import annotations

import pytest

from roadstead.access.aws_managed import PREFIX, aws_managed_policy, names
from roadstead.core.policy.compile import Request, compiled_text
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.document import Effect, parse_policy
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.principals import Requester, RequesterKind
from roadstead.core.policy.trace import PolicySource
from roadstead.services.iam.service_linked_roles import LINKED_ROLES

ACCOUNT = "1" * 12
ANN = Requester(RequesterKind.USER, f"arn:aws:iam::{ACCOUNT}:user/ann", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann")
PATHS = ("/", "/service-role/", "/aws-service-role/", "/job-function/")
DOCUMENT_LIMIT = 131_072


def find(name: str) -> str:
    """The ARN of the policy of this name, whatever its path."""
    return next(f"{PREFIX}{path}{name}" for path in PATHS if aws_managed_policy(f"{PREFIX}{path}{name}"))


def allows(name: str, action: str, resource: str = "*", **context: str) -> bool:
    policy = aws_managed_policy(find(name))
    assert policy is not None
    keys = RequestContext({key.replace("__", ":"): value for key, value in context.items()})
    held = PolicySet(identity=(compiled_text(policy.text, PolicySource(policy.arn)),))
    return evaluate(Request(ANN, action, resource, keys), held).allowed


@pytest.mark.parametrize("name", names())
def test_every_policy_can_be_read_and_has_its_arn(name: str) -> None:
    policy = aws_managed_policy(find(name))
    assert policy is not None
    assert policy.name == name
    assert policy.description.endswith(".")
    assert policy.version >= 1
    assert policy.created_at <= policy.updated_at
    compiled_text(policy.text, PolicySource(policy.arn))
    assert len(policy.text) < DOCUMENT_LIMIT


@pytest.mark.parametrize(
    "arn",
    [
        f"{PREFIX}/NoSuchPolicy",
        f"{PREFIX}/AmazonECSTaskExecutionRolePolicy",
        f"{PREFIX}/../managed/AdministratorAccess",
        f"arn:aws:iam::{ACCOUNT}:policy/AdministratorAccess",
        "AdministratorAccess",
    ],
)
def test_another_arn_is_no_policy(arn: str) -> None:
    assert aws_managed_policy(arn) is None


@pytest.mark.parametrize(
    ("name", "action", "resource", "allowed"),
    [
        ("AdministratorAccess", "iam:CreateUser", "*", True),
        ("PowerUserAccess", "ecs:RunTask", "*", True),
        ("PowerUserAccess", "iam:CreateUser", "*", False),
        ("ReadOnlyAccess", "ecs:DescribeTasks", "*", True),
        ("ReadOnlyAccess", "ecs:StopTask", "*", False),
        (
            "AmazonEC2ContainerRegistryReadOnly",
            "ecr:BatchGetImage",
            f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/a",
            True,
        ),
        ("AmazonEC2ContainerRegistryReadOnly", "ecr:PutImage", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/a", False),
        ("AmazonEC2ContainerRegistryPowerUser", "ecr:PutImage", "*", True),
        ("AmazonEC2ContainerRegistryPowerUser", "ecr:DeleteRepository", "*", False),
        ("AmazonEC2ContainerRegistryPullOnly", "ecr:GetDownloadUrlForLayer", "*", True),
        ("AmazonECSTaskExecutionRolePolicy", "logs:PutLogEvents", "*", True),
        ("AmazonECSTaskExecutionRolePolicy", "logs:CreateLogGroup", "*", False),
        ("AmazonEC2ContainerServiceforEC2Role", "ecs:Poll", "*", True),
        ("AmazonEC2ContainerServiceforEC2Role", "ecs:SubmitTaskStateChange", "*", True),
        ("AmazonECS_FullAccess", "ecs:CreateService", "*", True),
        ("AmazonEKSWorkerNodePolicy", "eks:DescribeCluster", "*", True),
        ("CloudWatchLogsReadOnlyAccess", "logs:FilterLogEvents", "*", True),
        ("CloudWatchLogsReadOnlyAccess", "logs:DeleteLogGroup", "*", False),
        ("ElasticLoadBalancingReadOnly", "elasticloadbalancing:DescribeLoadBalancers", "*", True),
        ("AutoScalingFullAccess", "autoscaling:SetDesiredCapacity", "*", True),
    ],
)
def test_what_they_grant(name: str, action: str, resource: str, allowed: bool) -> None:
    assert allows(name, action, resource) is allowed


@pytest.mark.parametrize("service", sorted(LINKED_ROLES))
def test_every_service_linked_role_has_its_policy(service: str) -> None:
    policy = aws_managed_policy(f"{PREFIX}/aws-service-role/{LINKED_ROLES[service].policy}")
    assert policy is not None
    statements = parse_policy(policy.text).statements
    assert any(statement.effect is Effect.ALLOW for statement in statements)


def test_ecs_may_be_handed_roles_for_tasks_only() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/web"
    assert allows("AmazonECS_FullAccess", "iam:PassRole", role, iam__PassedToService="ecs-tasks.amazonaws.com")
    assert not allows("AmazonECS_FullAccess", "iam:PassRole", role, iam__PassedToService="lambda.amazonaws.com")
