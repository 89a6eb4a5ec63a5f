"""CheckRegistry and CollectRegistryGarbage of the internal service `roadstead`: what `roadstead registry fsck` and `gc` call."""

from __future__ import annotations

from datetime import timedelta
from typing import NotRequired, TypedDict

import msgspec

from roadstead.kernel.errors import AccessDeniedException
from roadstead.services.ecr.blobs import RegistryStorage
from roadstead.services.ecr.checkup import check, totals
from roadstead.services.ecr.collection import collect_garbage, collectable_now
from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.requests import Response
from roadstead.services.operation import Afterwards, Context, operation


class CheckRegistryRequest(TypedDict):
    """As the model."""

    repair: NotRequired[bool]
    nextToken: NotRequired[str]


class CollectRegistryGarbageRequest(TypedDict):
    """As the model."""

    dryRun: NotRequired[bool]
    graceSeconds: NotRequired[int]


@operation("roadstead:CheckRegistry", reads=True)
async def check_registry(ctx: Context, request: CheckRegistryRequest) -> Afterwards:
    """Check a part of all registries of the deployment, and with `repair` put right what can be; the first answer says how much there is."""
    _require_operator(ctx, "CheckRegistry")
    after = _after(request.get("nextToken"))
    response: Response = {}
    if not after:
        count, size, images = await totals(ctx.tx)
        response["total"] = {"contents": count, "bytes": size, "images": images}

    async def work() -> Response:
        try:
            page = await check(ctx.component(RegistryStorage), after, repair=request.get("repair", False))
        except ValueError as error:
            raise _not_a_token() from error
        findings = [{"kind": each.kind, "subject": each.subject, "repaired": each.repaired} for each in page.findings]
        response.update(findings=findings, contents=page.contents, bytes=page.bytes, images=page.images)
        if page.after is not None:
            response["nextToken"] = msgspec.json.encode(page.after).decode()
        return response

    return Afterwards(work)


@operation("roadstead:CollectRegistryGarbage", reads=True)
async def collect_registry_garbage(ctx: Context, request: CollectRegistryGarbageRequest) -> Afterwards:
    """Do now what the controller does once a minute, leftovers included; with `dryRun` only count."""
    _require_operator(ctx, "CollectRegistryGarbage")
    storage = ctx.component(RegistryStorage)
    seconds = request.get("graceSeconds")
    grace = storage.grace if seconds is None else timedelta(seconds=seconds)

    async def work() -> Response:
        if request.get("dryRun", False):
            done = await collectable_now(storage, grace)
        else:
            done = await collect_garbage(storage, storage.store.run, grace, leftovers=True)
        return {"links": done.links, "contents": done.contents, "leftovers": done.leftovers, "bytes": done.bytes}

    return Afterwards(work)


def _after(token: str | None) -> list[str]:
    try:
        return msgspec.json.decode(token, type=list[str]) if token else []
    except msgspec.DecodeError as error:
        raise _not_a_token() from error


def _not_a_token() -> InvalidParameterException:
    return InvalidParameterException("nextToken is not one that an answer had")


def _require_operator(ctx: Context, name: str) -> None:
    """Registries of every account share their content, so this is for the deployment's own account."""
    if ctx.account != ctx.deployment.account:
        raise AccessDeniedException(
            f"User: {ctx.principal.arn} is not authorized to perform: roadstead:{name} outside of the deployment's account"
        )
