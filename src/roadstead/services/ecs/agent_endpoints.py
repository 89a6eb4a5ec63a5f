"""DiscoverPollEndpoint: where an agent finds its websockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import DiscoverPollEndpointRequestTypeDef


@operation("ecs:DiscoverPollEndpoint", reads=True)
async def discover_poll_endpoint(ctx: Context, request: DiscoverPollEndpointRequestTypeDef) -> dict[str, Any]:
    """The server itself; an agent appends `/ws` to both, and keeps the answer for twelve hours."""
    del request
    endpoint = ctx.deployment.endpoint
    return {"endpoint": endpoint, "telemetryEndpoint": f"{endpoint}/tcs"}
