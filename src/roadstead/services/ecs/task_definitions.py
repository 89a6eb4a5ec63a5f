"""RegisterTaskDefinition, DeregisterTaskDefinition, DescribeTaskDefinition, ListTaskDefinitions, ListTaskDefinitionFamilies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import insert, select, update

from roadstead.access.resource import KeyValues, Named
from roadstead.core.taskdef.errors import InvalidTaskDefinition, InvalidTaskParameter
from roadstead.core.taskdef.images import EcrRegistry, ecr_registry
from roadstead.core.taskdef.registration import register
from roadstead.kernel.arn import Arn
from roadstead.kernel.settings import Deployment
from roadstead.services.ecs import tag_rows
from roadstead.services.ecs.errors import ClientException, InvalidParameterException
from roadstead.services.ecs.guarded import authorise_tags, request_tags, sizes
from roadstead.services.ecs.identifiers import role_arn, task_definition
from roadstead.services.ecs.paging import ecs_page, listed
from roadstead.services.ecs.records import TaskDefinitionRecord, task_definition_of
from roadstead.services.ecs.tables import task_definition_families as families
from roadstead.services.ecs.tables import task_definitions as definitions
from roadstead.services.ecs.views import task_definition_view
from roadstead.services.iam.api import pass_to_service
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import (
        DeregisterTaskDefinitionRequestTypeDef,
        DescribeTaskDefinitionRequestTypeDef,
        ListTaskDefinitionFamiliesRequestTypeDef,
        ListTaskDefinitionsRequestTypeDef,
        RegisterTaskDefinitionRequestTypeDef,
    )

Shape = dict[str, Any]
ACTIVE = "ACTIVE"
INACTIVE = "INACTIVE"


def _revisions(ctx: Context, request: RegisterTaskDefinitionRequestTypeDef) -> Arn:
    return ctx.arn("ecs", f"task-definition/{request['family']}:*")


async def _registered(ctx: Context, request: RegisterTaskDefinitionRequestTypeDef) -> Sequence[Named]:
    return [_revisions(ctx, request)]


async def _registration_keys(ctx: Context, request: Shape) -> KeyValues:
    containers: list[Shape] = request.get("containerDefinitions") or []
    compatibilities: list[str] = request.get("requiresCompatibilities") or []
    return {
        **await request_tags(ctx, request),
        **sizes(request),
        "ecs:privileged": "true" if any(each.get("privileged") for each in containers) else "false",
        **({"ecs:compute-compatibility": compatibilities} if compatibilities else {}),
    }


@operation("ecs:RegisterTaskDefinition", resources=_registered, keys=_registration_keys)
async def register_task_definition(ctx: Context, request: RegisterTaskDefinitionRequestTypeDef) -> Shape:
    """Keep a new revision of a family. Passing roles needs iam:PassRole on them; that they exist is only seen when a task starts."""
    given = cast("Shape", dict(request))
    for member in ("taskRoleArn", "executionRoleArn"):
        if given.get(member):
            given[member] = role_arn(ctx, given[member])
    tags = tag_rows.checked(request.get("tags"))
    await authorise_tags(ctx, "RegisterTaskDefinition", _revisions(ctx, request), given)
    try:
        definition = register(given, is_ecr=is_ecr(ctx.deployment))
    except InvalidTaskDefinition as error:
        raise ClientException(str(error)) from error
    except InvalidTaskParameter as error:
        raise InvalidParameterException(str(error)) from error
    await pass_roles(ctx, definition)
    family = request["family"]
    row = TaskDefinitionRecord(
        account=ctx.account,
        region=ctx.region,
        family=family,
        revision=await _next_revision(ctx, family),
        status=ACTIVE,
        definition=definition,
        registered_by=str(ctx.principal.arn),
        registered_at=ctx.clock.now(),
        deregistered_at=None,
    )
    await ctx.tx.execute(
        insert(definitions).values({name: getattr(row, name) for name in TaskDefinitionRecord.__slots__})
    )
    await tag_rows.write(ctx, row.arn, tags)
    return {"taskDefinition": task_definition_view(row), "tags": tags}


@operation("ecs:DeregisterTaskDefinition")
async def deregister_task_definition(ctx: Context, request: DeregisterTaskDefinitionRequestTypeDef) -> Shape:
    """Make a revision INACTIVE: running tasks keep it, new ones can't use it."""
    family, revision = task_definition(ctx, request["taskDefinition"])
    if revision is None:
        raise ClientException("Revision is missing.")
    row = await find_definition(ctx, family, revision)
    if row is None:
        raise ClientException("Unable to describe task definition.")
    if row.status == ACTIVE:
        row = replace(row, status=INACTIVE, deregistered_at=ctx.clock.now())
        await ctx.tx.execute(
            update(definitions)
            .where(*_of(ctx, family), definitions.c.revision == revision)
            .values(status=INACTIVE, deregistered_at=row.deregistered_at)
        )
        await ctx.tx.execute(
            update(families).where(*_family(ctx, family)).values(active_revisions=families.c.active_revisions - 1)
        )
    return {"taskDefinition": task_definition_view(row)}


@operation("ecs:DescribeTaskDefinition", reads=True)
async def describe_task_definition(ctx: Context, request: DescribeTaskDefinitionRequestTypeDef) -> Shape:
    """A revision, or the family's latest active one."""
    family, revision = task_definition(ctx, request["taskDefinition"])
    row = await find_definition(ctx, family, revision)
    if row is None:
        raise ClientException("Unable to describe task definition.")
    response: Shape = {"taskDefinition": task_definition_view(row)}
    if "TAGS" in (request.get("include") or ()):
        response["tags"] = (await tag_rows.read(ctx.tx, [row.arn])).get(row.arn, [])
    return response


@operation("ecs:ListTaskDefinitions", reads=True)
async def list_task_definitions(ctx: Context, request: ListTaskDefinitionsRequestTypeDef) -> Shape:
    """ARNs by family and revision; `familyPrefix` is a whole family name."""
    query = select(definitions.c.family, definitions.c.revision).where(
        definitions.c.account == ctx.account,
        definitions.c.region == ctx.region,
        definitions.c.status == (request.get("status") or ACTIVE),
    )
    if request.get("familyPrefix"):
        query = query.where(definitions.c.family == request.get("familyPrefix"))
    keys = [definitions.c.family, definitions.c.revision]
    descending = request.get("sort") == "DESC"
    found = await ecs_page(ctx, request, "ListTaskDefinitions", query, keys, descending=descending)
    arns = [str(ctx.arn("ecs", f"task-definition/{row.family}:{row.revision}")) for row in found.rows]
    return listed("taskDefinitionArns", arns, found.next_token)


@operation("ecs:ListTaskDefinitionFamilies", reads=True)
async def list_task_definition_families(ctx: Context, request: ListTaskDefinitionFamiliesRequestTypeDef) -> Shape:
    """Families by name; a family is ACTIVE while one of its revisions is."""
    query = select(families.c.family).where(families.c.account == ctx.account, families.c.region == ctx.region)
    if request.get("familyPrefix"):
        query = query.where(families.c.family.startswith(request.get("familyPrefix", ""), autoescape=True))
    match request.get("status"):
        case "ACTIVE":
            query = query.where(families.c.active_revisions > 0)
        case "INACTIVE":
            query = query.where(families.c.active_revisions == 0)
        case _:
            pass
    found = await ecs_page(ctx, request, "ListTaskDefinitionFamilies", query, [families.c.family])
    return listed("families", [row.family for row in found.rows], found.next_token)


async def find_definition(ctx: Context, family: str, revision: int | None) -> TaskDefinitionRecord | None:
    """The revision, whatever its status; without one the latest that is active."""
    query = select(definitions).where(*_of(ctx, family))
    if revision is None:
        query = query.where(definitions.c.status == ACTIVE).order_by(definitions.c.revision.desc()).limit(1)
    else:
        query = query.where(definitions.c.revision == revision)
    rows = (await ctx.tx.execute(query)).mappings()
    return task_definition_of(rows[0]) if rows else None


async def definition_at(
    tx: Transaction, account: str, region: str, family: str, revision: int
) -> TaskDefinitionRecord | None:
    """The revision of whichever account."""
    query = select(definitions).where(
        definitions.c.account == account,
        definitions.c.region == region,
        definitions.c.family == family,
        definitions.c.revision == revision,
    )
    rows = (await tx.execute(query)).mappings()
    return task_definition_of(rows[0]) if rows else None


async def pass_roles(ctx: Context, definition: Shape) -> None:
    """Require that the caller may pass the definition's roles to tasks."""
    roles = [definition[name] for name in ("taskRoleArn", "executionRoleArn") if definition.get(name)]
    await pass_to_service(ctx, roles, "ecs-tasks.amazonaws.com")


def is_ecr(deployment: Deployment) -> Callable[[str], bool]:
    """Whether an image reference names a registry of ours."""
    return lambda image: ecr_of(deployment, image) is not None


def ecr_of(deployment: Deployment, image: str) -> EcrRegistry | None:
    """The registry of ours that an image reference names; real ECR names count, they resolve to ours."""
    return ecr_registry(
        image,
        default_host="localhost",
        default=EcrRegistry(account=deployment.account, region=deployment.region),
    )


async def _next_revision(ctx: Context, family: str) -> int:
    known = await ctx.tx.execute(select(families.c.latest_revision).where(*_family(ctx, family)))
    latest = known.scalar_one_or_none()
    if latest is None:
        await ctx.tx.execute(
            insert(families).values(
                account=ctx.account, region=ctx.region, family=family, latest_revision=1, active_revisions=1
            )
        )
        return 1
    await ctx.tx.execute(
        update(families)
        .where(*_family(ctx, family))
        .values(latest_revision=latest + 1, active_revisions=families.c.active_revisions + 1)
    )
    return latest + 1


def _family(ctx: Context, family: str):
    return (families.c.account == ctx.account, families.c.region == ctx.region, families.c.family == family)


def _of(ctx: Context, family: str):
    return (definitions.c.account == ctx.account, definitions.c.region == ctx.region, definitions.c.family == family)
