"""From a RunTask request to what shall be launched: checks and defaults.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
"""

from __future__ import annotations

from typing import Any

from roadstead.core.placement.capacity import StrategyItem, distribute
from roadstead.core.placement.expressions import InvalidExpression, parse
from roadstead.core.placement.model import Constraint, Strategy
from roadstead.core.policy.evaluate import Decision, trusts
from roadstead.core.taskdef import overrides as task_overrides
from roadstead.core.taskdef.errors import InvalidTaskDefinition, InvalidTaskParameter
from roadstead.core.taskdef.shapes import containers, network_mode
from roadstead.core.taskdef.sizes import check_fargate_size
from roadstead.core.taskdef.unbuilt import unbuilt, unbuilt_in_request
from roadstead.kernel.arn import Arn
from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.services.ecs import clusters, tag_rows
from roadstead.services.ecs.errors import ClientException, InvalidParameterException, PlatformUnknownException
from roadstead.services.ecs.identifiers import role_arn, task_definition
from roadstead.services.ecs.launch import FARGATE, Launch
from roadstead.services.ecs.network import task_network
from roadstead.services.ecs.records import ClusterRecord, TaskDefinitionRecord
from roadstead.services.ecs.task_definitions import ACTIVE, find_definition, pass_roles
from roadstead.services.iam.api import role_by_arn
from roadstead.services.operation import Context

Shape = dict[str, Any]
MAX_COUNT = 10
LATEST_PLATFORM = "1.4.0"
PLATFORMS = ("1.3.0", "1.4.0")
MAX_CONSTRAINTS = 10
MAX_STRATEGIES = 5
MAX_GROUP = 1024


async def read(ctx: Context, request: Shape) -> tuple[Launch, list[str | None]]:
    """What to launch, and the capacity provider of each of the `count` tasks (None with a plain launch type).

    Raises ECS's errors, and access denied where a role may not be passed.
    """
    count = request.get("count", 1)
    if not 1 <= count <= MAX_COUNT:
        raise InvalidParameterException(f"count must be between 1 and {MAX_COUNT}.")
    cluster = await clusters.active_cluster(ctx, request.get("cluster"))
    definition = await _definition(ctx, request["taskDefinition"])
    launch_type, providers = _capacity(cluster, request, count)
    if launch_type == FARGATE and FARGATE not in definition.definition["compatibilities"]:
        raise InvalidParameterException("Task definition does not support launch_type FARGATE.")
    effective, echoed = _overridden(ctx, definition, request.get("overrides") or {}, launch_type)
    _check_built(request, effective, launch_type)
    await pass_roles(ctx, effective)
    await _check_roles(ctx, effective)
    cpu, memory = _size(effective)
    constraints, strategies = _placement(definition, request, launch_type)
    launch = Launch(
        cluster=cluster,
        definition=definition,
        effective=effective,
        overrides=echoed,
        launch_type=launch_type,
        group=_group(request.get("group")) or f"family:{definition.family}",
        started_by=_started_by(request.get("startedBy")),
        platform_version=_platform(request.get("platformVersion"), launch_type),
        network=await task_network(ctx, network_mode(effective), launch_type, request.get("networkConfiguration")),
        cpu=cpu,
        memory=memory,
        constraints=constraints,
        strategies=strategies,
        tags=await _tags(ctx, request, definition, cluster),
        enable_execute_command=bool(request.get("enableExecuteCommand")),
        reference_id=request.get("referenceId"),
    )
    return launch, providers


async def _definition(ctx: Context, reference: str) -> TaskDefinitionRecord:
    try:
        family, revision = task_definition(ctx, reference)
    except ClientException as error:
        raise InvalidParameterException("TaskDefinition not found.") from error
    found = await find_definition(ctx, family, revision)
    if found is None:
        raise ClientException("TaskDefinition not found.")
    if found.status != ACTIVE:
        raise ClientException("TaskDefinition is inactive")
    return found


def _capacity(cluster: ClusterRecord, request: Shape, count: int) -> tuple[str, list[str | None]]:
    launch_type: str | None = request.get("launchType")
    strategy: list[Shape] = request.get("capacityProviderStrategy") or []
    if launch_type and strategy:
        raise InvalidParameterException("Specify either Launch Type or Capacity Provider Strategy, but not both.")
    if launch_type is None and not strategy:
        strategy = cluster.spec.get("defaultCapacityProviderStrategy") or []
    if not strategy:
        return launch_type or "EC2", [None] * count
    associated: list[str] = cluster.spec.get("capacityProviders") or []
    for item in strategy:
        if item["capacityProvider"] not in associated:
            raise InvalidParameterException(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the "
                "cluster. Associate the capacity provider with the cluster and try again."
            )
    if sum(1 for item in strategy if item.get("base")) > 1:
        raise InvalidParameterException(
            "Only one capacity provider in a capacity provider strategy can have a base defined."
        )
    items = [
        StrategyItem(item["capacityProvider"], int(item.get("weight") or 0), int(item.get("base") or 0))
        for item in strategy
    ]
    # A single provider without a weight takes everything, as on AWS.
    if len(items) == 1 and items[0].weight == 0:
        items = [StrategyItem(items[0].provider, 1, items[0].base)]
    chosen = distribute(items, count)
    if not chosen:
        raise InvalidParameterException(
            "The specified capacity provider strategy must have at least one capacity provider with a weight greater than zero."
        )
    return FARGATE, list(chosen)


def _overridden(ctx: Context, definition: TaskDefinitionRecord, given: Shape, launch_type: str) -> tuple[Shape, Shape]:
    overrides = dict(given)
    for member in ("taskRoleArn", "executionRoleArn"):
        if overrides.get(member):
            overrides[member] = role_arn(ctx, overrides[member])
    try:
        effective = task_overrides.apply(definition.definition, overrides)
        if launch_type == FARGATE:
            check_fargate_size(*_task_size(effective))
    except InvalidTaskDefinition as error:
        raise ClientException(str(error)) from error
    except InvalidTaskParameter as error:
        raise InvalidParameterException(str(error)) from error
    return effective, task_overrides.echoed(definition.definition, overrides)


def _check_built(request: Shape, effective: Shape, launch_type: str) -> None:
    names = unbuilt_in_request(request) + unbuilt(effective, launch_type)
    if names:
        raise NotImplementedByRoadstead(
            f"Tasks of launch type {launch_type} with {', '.join(names)} are not implemented by Roadstead."
        )


def _task_size(effective: Shape) -> tuple[int | None, int | None]:
    cpu, memory = effective.get("cpu"), effective.get("memory")
    return (int(cpu) if cpu else None, int(memory) if memory else None)


def _size(effective: Shape) -> tuple[int, int]:
    cpu, memory = _task_size(effective)
    defined = containers(effective)
    if cpu is None:
        cpu = sum(int(each.get("cpu") or 0) for each in defined)
    if memory is None:
        memory = sum(int(each.get("memoryReservation") or each.get("memory") or 0) for each in defined)
    return cpu, memory


def _group(value: str | None) -> str | None:
    if value is not None and len(value) > MAX_GROUP:
        raise InvalidParameterException(f"group cannot be longer than {MAX_GROUP} characters.")
    return value


def _started_by(value: str | None) -> str | None:
    if value is not None and len(value) > 128:
        raise InvalidParameterException("startedBy cannot be longer than 128 characters.")
    return value


def _platform(version: str | None, launch_type: str) -> str | None:
    if launch_type != FARGATE:
        if version:
            raise InvalidParameterException("The platform version must be null when specifying an EC2 launch type.")
        return None
    if version in (None, "", "LATEST"):
        return LATEST_PLATFORM
    if version not in PLATFORMS:
        raise PlatformUnknownException("The specified platform does not exist.")
    return version


def _placement(
    definition: TaskDefinitionRecord, request: Shape, launch_type: str
) -> tuple[tuple[Constraint, ...], tuple[Strategy, ...]]:
    given: list[Shape] = request.get("placementConstraints") or []
    strategies: list[Shape] = request.get("placementStrategy") or []
    if launch_type == FARGATE:
        if given:
            raise InvalidParameterException("Placement constraints are not supported with FARGATE launch type.")
        if strategies:
            raise InvalidParameterException("Placement strategies are not supported with FARGATE launch type.")
        return (), ()
    if len(given) > MAX_CONSTRAINTS or len(strategies) > MAX_STRATEGIES:
        raise InvalidParameterException(
            f"At most {MAX_CONSTRAINTS} placement constraints and {MAX_STRATEGIES} placement strategies are allowed."
        )
    every: list[Shape] = [*given, *(definition.definition.get("placementConstraints") or ())]
    if not all(each.get("type") for each in (*every, *strategies)):
        raise InvalidParameterException("Placement constraints and placement strategies must have a type.")
    constraints = tuple(Constraint(each["type"], each.get("expression") or "") for each in every)
    for constraint in constraints:
        try:
            if constraint.type == "memberOf":
                parse(constraint.expression)
        except InvalidExpression as error:
            raise InvalidParameterException("Invalid expression in placement constraint.") from error
    return constraints, tuple(Strategy(each["type"], each.get("field") or "") for each in strategies)


async def _check_roles(ctx: Context, effective: Shape) -> None:
    for member in ("taskRoleArn", "executionRoleArn"):
        reference: str | None = effective.get(member)
        if reference is None:
            continue
        role = await role_by_arn(ctx.tx, Arn.parse(reference))
        if role is None or trusts(role.trust_policy, "sts:AssumeRole", "Service", "ecs-tasks.amazonaws.com") is not (
            Decision.ALLOWED
        ):
            raise ClientException(
                f"ECS was unable to assume the role '{reference}' that was provided for this task. Please verify that the role "
                "being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
            )


async def _tags(
    ctx: Context, request: Shape, definition: TaskDefinitionRecord, cluster: ClusterRecord
) -> tag_rows.Tags:
    tags = tag_rows.checked(request.get("tags"))
    match request.get("propagateTags"):
        case "TASK_DEFINITION":
            own = {tag["key"] for tag in tags}
            inherited = (await tag_rows.read(ctx.tx, [definition.arn])).get(definition.arn, [])
            tags = tags + [tag for tag in inherited if tag["key"] not in own]
        case "SERVICE":
            raise InvalidParameterException("propagateTags cannot be SERVICE when running a task.")
        case _:
            pass
    if request.get("enableECSManagedTags"):
        tags = [*tags, {"key": "aws:ecs:clusterName", "value": cluster.name}]
    return tags
