"""ListHostResources and UpdateHostResourceStatus of the internal service `roadstead`."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import msgspec
from sqlalchemy import select

from roadstead.services.hosts.api import current_revision, observe
from roadstead.services.hosts.errors import InvalidParameterException
from roadstead.services.hosts.hosts import named_host, own_host
from roadstead.services.hosts.records import Row, resource_of
from roadstead.services.hosts.tables import host_resources
from roadstead.services.operation import Context, operation
from roadstead.store.pagination import InvalidToken, Scope, page
from roadstead.wire.hosts import Condition, HostResourceStatus

PAGE = 1000


class ListHostResourcesRequest(TypedDict):
    """As the model."""

    hostId: str
    kinds: NotRequired[list[str]]
    maxResults: NotRequired[int]
    nextToken: NotRequired[str]


class ListHostResourcesResponse(TypedDict):
    """As the model; `spec` is JSON text."""

    revision: int
    resources: list[dict[str, object]]
    nextToken: NotRequired[str]


class ConditionShape(TypedDict):
    """As the model."""

    type: str
    status: str
    reason: NotRequired[str]
    message: NotRequired[str]


class StatusShape(TypedDict):
    """As the model; `observed` is JSON text."""

    kind: str
    id: str
    observedGeneration: int
    conditions: NotRequired[list[ConditionShape]]
    bootId: NotRequired[str]
    finalized: NotRequired[bool]
    observed: NotRequired[str]


class UpdateHostResourceStatusRequest(TypedDict):
    """As the model."""

    hostId: str
    statuses: list[StatusShape]


@operation("roadstead:ListHostResources", resources=named_host, reads=True)
async def list_host_resources(ctx: Context, request: ListHostResourcesRequest) -> ListHostResourcesResponse:
    """Everything that is bound to the caller's host. A revision that differs between two pages means: list again."""
    host = await own_host(ctx, request["hostId"])
    kinds = request.get("kinds") or []
    query = select(host_resources).where(host_resources.c.host == host.id)
    if kinds:
        query = query.where(host_resources.c.kind.in_(kinds))
    scope = Scope("roadstead:ListHostResources", ctx.account, ctx.region, {"host": host.id, "kinds": kinds})
    try:
        found = await page(
            ctx.tx,
            query,
            [host_resources.c.kind, host_resources.c.id],
            limit=request.get("maxResults", PAGE),
            token=request.get("nextToken"),
            scope=scope,
        )
    except InvalidToken as error:
        raise InvalidParameterException("Invalid token") from error
    response: ListHostResourcesResponse = {
        "revision": await current_revision(ctx.tx, host.id),
        "resources": [_view(row._mapping) for row in found.rows],  # pyright: ignore[reportPrivateUsage] - public in spite of its name
    }
    if found.next_token is not None:
        response["nextToken"] = found.next_token
    return response


@operation("roadstead:UpdateHostResourceStatus", resources=named_host)
async def update_host_resource_status(ctx: Context, request: UpdateHostResourceStatusRequest) -> dict[str, object]:
    """Take in what the caller's host observed. A finalized resource goes; one that is still wanted can't be finalized."""
    host = await own_host(ctx, request["hostId"])
    for shape in request["statuses"]:
        status = HostResourceStatus(
            kind=shape["kind"],
            id=shape["id"],
            observed_generation=shape["observedGeneration"],
            conditions=tuple(Condition(**condition) for condition in shape.get("conditions", ())),
            boot_id=shape.get("bootId", ""),
            finalized=shape.get("finalized", False),
        )
        if not await observe(ctx.tx, host.id, status, _document(shape.get("observed"))):
            raise InvalidParameterException(f"{status.kind} {status.id} is still wanted, so it can't be finalized.")
    return {}


def _document(text: str | None) -> object:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidParameterException("observed is not a JSON document.") from error


def _view(row: Row) -> dict[str, object]:
    resource = resource_of(row)
    return {
        "kind": resource.kind,
        "id": resource.id,
        "host": resource.host,
        "account": resource.account,
        "region": resource.region,
        "generation": resource.generation,
        "revision": resource.revision,
        "spec": bytes(resource.spec).decode(),
        "deletionRequested": resource.deletion_requested,
    }
