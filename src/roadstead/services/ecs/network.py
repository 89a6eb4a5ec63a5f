"""`networkConfiguration` of tasks under awsvpc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roadstead.core.taskdef.shapes import AWSVPC
from roadstead.services.ec2 import api as ec2
from roadstead.services.ec2.records import Subnet
from roadstead.services.ecs.errors import InvalidParameterException
from roadstead.services.operation import Context

MAX_SUBNETS = 16
MAX_SECURITY_GROUPS = 5


@dataclass(frozen=True, slots=True)
class TaskNetwork:
    """Where interfaces of tasks may lie, and the groups they get."""

    subnets: tuple[Subnet, ...]
    security_group_ids: tuple[str, ...]


async def task_network(
    ctx: Context, mode: str, launch_type: str, configuration: dict[str, Any] | None
) -> TaskNetwork | None:
    """The checked configuration; None unless the mode is awsvpc. Raises InvalidParameterException."""
    given: dict[str, Any] | None = (configuration or {}).get("awsvpcConfiguration")
    if mode != AWSVPC:
        if given is not None:
            raise InvalidParameterException(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        return None
    if given is None:
        raise InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    if given.get("assignPublicIp") == "ENABLED" and launch_type != "FARGATE":
        raise InvalidParameterException("Assign public IP is not supported for this launch type.")
    subnets = [await _subnet(ctx, id) for id in _ids(given, "subnets", MAX_SUBNETS)]
    vpcs = {subnet.vpc_id for subnet in subnets}
    if len(vpcs) != 1:
        raise InvalidParameterException("subnets must belong to the same VPC.")
    vpc_id = vpcs.pop()
    groups = _ids(given, "securityGroups", MAX_SECURITY_GROUPS) if given.get("securityGroups") else []
    for id in groups:
        await _check_group(ctx, id, vpc_id)
    if not groups:
        default = await ec2.default_security_group(ctx.tx, account=ctx.account, region=ctx.region, vpc_id=vpc_id)
        groups = [default.id]
    return TaskNetwork(tuple(subnets), tuple(groups))


def _ids(given: dict[str, Any], member: str, most: int) -> list[str]:
    ids: list[str] = given.get(member) or []
    if not ids:
        raise InvalidParameterException(f"{member} can not be empty.")
    if len(ids) > most:
        raise InvalidParameterException(f"{member} can have at most {most} items.")
    if len(set(ids)) != len(ids):
        raise InvalidParameterException(f"{member} can not contain duplicates.")
    return ids


async def _subnet(ctx: Context, id: str) -> Subnet:
    subnet = await ec2.subnet_by_id(ctx.tx, account=ctx.account, region=ctx.region, id=id)
    if subnet is None:
        raise InvalidParameterException(
            f"Error retrieving subnet information for [{id}]: The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
        )
    return subnet


async def _check_group(ctx: Context, id: str, vpc_id: str) -> None:
    group = await ec2.security_group_by_id(ctx.tx, account=ctx.account, region=ctx.region, id=id)
    if group is None:
        raise InvalidParameterException(
            f"Error retrieving security group information for [{id}]: The security group '{id}' does not exist "
            "(ErrorCode: InvalidGroup.NotFound)"
        )
    if group.vpc_id != vpc_id:
        raise InvalidParameterException(
            f"Security group {id} does not appear to belong to the same VPC as the input subnets."
        )
