"""Service-linked roles: CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html and each service's own page.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, insert, select

from roadstead.access.aws_managed import PREFIX
from roadstead.access.resource import KeyValues, Named
from roadstead.access.revisions import touch_account
from roadstead.access.tables import attached_policies, roles
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import unique_id
from roadstead.services.iam.entities import ROLE, SERVICE_ROLE_PATH, entity_arn, name_taken, named
from roadstead.services.iam.errors import InvalidInputException, NoSuchEntityException
from roadstead.services.iam.quotas import check_account_quota
from roadstead.services.iam.roles import DEFAULT_SESSION, remove_role, require_role, role_in_full
from roadstead.services.iam.tables import role_deletions
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateServiceLinkedRoleRequestTypeDef,
        DeleteServiceLinkedRoleRequestTypeDef,
        GetServiceLinkedRoleDeletionStatusRequestTypeDef,
    )


@dataclass(frozen=True, slots=True)
class LinkedRole:
    """What a service's role is called, which of AWS's policies it has, and whether a suffix may make several of it."""

    name: str
    policy: str
    suffix: bool = False


LINKED_ROLES = MappingProxyType(
    {
        "autoscaling.amazonaws.com": LinkedRole(
            "AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy", suffix=True
        ),
        "ecs.amazonaws.com": LinkedRole("AWSServiceRoleForECS", "AmazonECSServiceRolePolicy"),
        "ecs-compute.amazonaws.com": LinkedRole("AWSServiceRoleForECSCompute", "AmazonECSComputeServiceRolePolicy"),
        "ecs.application-autoscaling.amazonaws.com": LinkedRole(
            "AWSServiceRoleForApplicationAutoScaling_ECSService", "AWSApplicationAutoscalingECSServicePolicy"
        ),
        "ec2fleet.amazonaws.com": LinkedRole("AWSServiceRoleForEC2Fleet", "AWSEC2FleetServiceRolePolicy"),
        "eks.amazonaws.com": LinkedRole("AWSServiceRoleForAmazonEKS", "AmazonEKSServiceRolePolicy"),
        "eks-connector.amazonaws.com": LinkedRole(
            "AWSServiceRoleForAmazonEKSConnector", "AmazonEKSConnectorServiceRolePolicy"
        ),
        "eks-fargate.amazonaws.com": LinkedRole(
            "AWSServiceRoleForAmazonEKSForFargate", "AmazonEKSForFargateServiceRolePolicy"
        ),
        "eks-nodegroup.amazonaws.com": LinkedRole(
            "AWSServiceRoleForAmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup"
        ),
        "elasticloadbalancing.amazonaws.com": LinkedRole(
            "AWSServiceRoleForElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"
        ),
        "inspector2.amazonaws.com": LinkedRole(
            "AWSServiceRoleForAmazonInspector2", "AmazonInspector2ServiceRolePolicy"
        ),
        "pullthroughcache.ecr.amazonaws.com": LinkedRole(
            "AWSServiceRoleForECRPullThroughCache", "AWSECRPullThroughCache_ServiceRolePolicy"
        ),
        "replication.ecr.amazonaws.com": LinkedRole(
            "AWSServiceRoleForECRReplication", "ECRReplicationServiceRolePolicy"
        ),
        "ecr.amazonaws.com": LinkedRole("AWSServiceRoleForECRTemplate", "ECRTemplateServiceRolePolicy"),
        "spot.amazonaws.com": LinkedRole("AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy"),
        "spotfleet.amazonaws.com": LinkedRole("AWSServiceRoleForEC2SpotFleet", "AWSEC2SpotFleetServiceRolePolicy"),
    }
)
"""The roles by the principal of the service that assumes them."""

_LONGEST_NAME = 64
"""Characters of a role's name (the model's `roleNameType`); no operation takes a longer one."""
_KEPT = timedelta(days=7)
_TASK = re.compile(r"task/aws-service-role/(?P<service>[^/]+)/(?P<role>[^/]+)/[0-9a-f-]{36}")


async def _created(ctx: Context, request: CreateServiceLinkedRoleRequestTypeDef) -> Sequence[Named]:
    service = request["AWSServiceName"]
    return [entity_arn(ctx.account, "role", f"{SERVICE_ROLE_PATH}{service}/", _role_name(request))]


async def _creation_keys(ctx: Context, request: CreateServiceLinkedRoleRequestTypeDef) -> KeyValues:
    del ctx
    return {"iam:AWSServiceName": request["AWSServiceName"]}


async def _deleted(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    task = _TASK.fullmatch(request["DeletionTaskId"])
    if task is None:
        return [entity_arn(ctx.account, "role", "/", "*")]
    return [entity_arn(ctx.account, "role", f"{SERVICE_ROLE_PATH}{task['service']}/", task["role"])]


def _role_name(request: CreateServiceLinkedRoleRequestTypeDef) -> str:
    linked, suffix = LINKED_ROLES.get(request["AWSServiceName"]), request.get("CustomSuffix")
    if linked is None:
        return "*"
    return f"{linked.name}_{suffix}" if suffix else linked.name


@operation("iam:CreateServiceLinkedRole", resources=_created, keys=_creation_keys)
async def create_service_linked_role(ctx: Context, request: CreateServiceLinkedRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html."""
    service = request["AWSServiceName"]
    linked = LINKED_ROLES.get(service)
    if linked is None:
        raise InvalidInputException(f"Service {service} has no service-linked role here.")
    if "CustomSuffix" in request and not linked.suffix:
        raise InvalidInputException(f"Custom suffix is not allowed for {service}")
    name = _role_name(request)
    if len(name) > _LONGEST_NAME:
        raise InvalidInputException(f"Service role name {name} has more than {_LONGEST_NAME} characters.")
    if await name_taken(ctx.tx, ctx.account, roles, roles.c.role_name, name) is not None:
        raise InvalidInputException(
            f"Service role name {name} has been taken in this account, please try a different suffix."
        )
    await _make(ctx, service, name, request.get("Description", ""))
    made = await role_in_full(ctx, name)
    del made["RoleLastUsed"]
    return {"Role": made}


def linked_role_arn(account: str, service: str) -> Arn:
    """The role of a service (`pullthroughcache.ecr.amazonaws.com`) in an account, whether it is there or not."""
    return entity_arn(account, "role", f"{SERVICE_ROLE_PATH}{service}/", LINKED_ROLES[service].name)


async def ensure_linked_role(ctx: Context, service: str) -> None:
    """Make a service's role in the caller's account unless it is there, for which the caller needs iam:CreateServiceLinkedRole.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-service-linked-role.html.
    """
    arn = linked_role_arn(ctx.account, service)
    name = LINKED_ROLES[service].name
    if await name_taken(ctx.tx, ctx.account, roles, roles.c.role_name, name) is None:
        await ctx.authorise("iam:CreateServiceLinkedRole", [arn], {"iam:AWSServiceName": service})
        await _make(ctx, service, name, "")


async def _make(ctx: Context, service: str, name: str, description: str) -> None:
    await check_account_quota(ctx, "RolesPerAccount", roles)
    statement = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}
    await ctx.tx.execute(
        insert(roles).values(
            account=ctx.account,
            role_name=name,
            role_id=unique_id("AROA"),
            path=f"{SERVICE_ROLE_PATH}{service}/",
            trust_policy=msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode(),
            description=description,
            max_session_duration=DEFAULT_SESSION,
            created_at=ctx.clock.now(),
        )
    )
    await ctx.tx.execute(
        insert(attached_policies).values(
            account=ctx.account,
            entity_kind="role",
            entity_name=name,
            policy_arn=f"{PREFIX}{SERVICE_ROLE_PATH}{LINKED_ROLES[service].policy}",
        )
    )
    await touch_account(ctx.tx, ctx.account)


@operation("iam:DeleteServiceLinkedRole", resources=named(ROLE))
async def delete_service_linked_role(ctx: Context, request: DeleteServiceLinkedRoleRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteServiceLinkedRole.html: done before the answer."""
    name = request["RoleName"]
    row = await require_role(ctx, name)
    path = str(row.path)
    if not path.startswith(SERVICE_ROLE_PATH):
        raise NoSuchEntityException(f"The service-linked role with name {name} cannot be found.")
    columns = attached_policies.c
    await ctx.tx.execute(
        delete(attached_policies).where(
            columns.account == ctx.account, columns.entity_kind == "role", columns.entity_name == name
        )
    )
    await remove_role(ctx, name)
    task, now = f"task{path}{name}/{uuid.uuid4()}", ctx.clock.now()
    deletions = role_deletions.c
    await ctx.tx.execute(
        delete(role_deletions).where(deletions.account == ctx.account, deletions.created_at < now - _KEPT)
    )
    await ctx.tx.execute(insert(role_deletions).values(account=ctx.account, task_id=task, created_at=now))
    return {"DeletionTaskId": task}


@operation("iam:GetServiceLinkedRoleDeletionStatus", resources=_deleted, reads=True)
async def get_service_linked_role_deletion_status(
    ctx: Context, request: GetServiceLinkedRoleDeletionStatusRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLinkedRoleDeletionStatus.html."""
    task, columns = request["DeletionTaskId"], role_deletions.c
    if _TASK.fullmatch(task) is None:
        raise InvalidInputException(f"Invalid deletion task id: {task}")
    stmt = select(columns.task_id).where(columns.account == ctx.account, columns.task_id == task)
    if (await ctx.tx.execute(stmt)).one_or_none() is None:
        raise NoSuchEntityException(f"Deletion task {task} cannot be found.")
    return {"Status": "SUCCEEDED"}
