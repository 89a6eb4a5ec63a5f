"""DescribeRegistry."""

from __future__ import annotations

from roadstead.services.ecr.requests import Response, registry_resource
from roadstead.services.operation import Context, operation


@operation("ecr:DescribeRegistry", resources=registry_resource, reads=True)
async def describe_registry(ctx: Context, request: object) -> Response:
    """The caller's registry, which replicates nothing: PutReplicationConfiguration is not built (API reference: DescribeRegistry)."""
    del request
    return {"registryId": ctx.account, "replicationConfiguration": {"rules": []}}
