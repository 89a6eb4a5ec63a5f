"""What the operations of ECR Public share: the region that offers them, and registries named by alias.

Functions of private ECR do the work where it is the same: they find the repository at PUBLIC (`requests.place_of`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from roadstead.services.ecr.keys import PUBLIC_REGION
from roadstead.services.ecr.public.aliases import account_of
from roadstead.services.ecr.public.errors import RegistryNotFoundException, UnsupportedCommandException
from roadstead.services.ecr.requests import Response
from roadstead.services.operation import Afterwards, Context, Handler, Keys, Resources, operation

_SERVICE = "ecr-public"

Request = Mapping[str, object]
Then = Callable[[Context, Response], Awaitable[Response]]


def public_operation(
    name: str, *, resources: Resources | None = None, keys: Keys | None = None, reads: bool = False
) -> Callable[[Handler], Handler]:
    """Declare `ecr-public:NAME`: in its one region, with the registry's alias replaced by its account.

    Operations of private ECR that are the same are declared again, for this service: `public_operation("PutImage", …)(put_image)`.
    """

    def declare(handler: Handler) -> Handler:
        async def run(ctx: Context, request: Request) -> Response | Afterwards:
            public = replace(ctx, service=_SERVICE)
            return await handler(public, await _resolved(public, request))

        async def named(ctx: Context, request: Request) -> Any:
            if ctx.region != PUBLIC_REGION:
                raise UnsupportedCommandException(f"ECR Public is offered in {PUBLIC_REGION} only, not in {ctx.region}")
            public = replace(ctx, service=_SERVICE)
            return ("*",) if resources is None else await resources(public, await _resolved(public, request))

        operation(f"{_SERVICE}:{name}", resources=named, keys=keys, reads=reads)(run)
        return handler

    return declare


async def _resolved(ctx: Context, request: Request) -> Request:
    """The request with an account in `registryId`. Raises RegistryNotFoundException."""
    registry = str(request.get("registryId") or "")
    if not registry or (len(registry) == 12 and registry.isdecimal()):
        return request
    account = await account_of(ctx.tx, registry)
    if account is None:
        raise RegistryNotFoundException.of(registry)
    return {**request, "registryId": account}
