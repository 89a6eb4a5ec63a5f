"""A registry with a pull through cache, and the registry that is its upstream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.service.ecr.upstream import Front, front
from tests.service.registry.harness import Harness, running_registry

from roadstead.kernel.settings import Credential, PullThrough, Upstream


@dataclass
class Both:
    """A registry that caches what another one has in `team/web`."""

    ecr: Harness
    upstream: Harness
    front: Front

    async def rule(self, **more: object) -> Any:
        request = {"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": self.front.host, **more}
        return await self.ecr.api("CreatePullThroughCacheRule", request)

    async def pull(self, reference: str, name: str = "cache/team/web") -> Any:
        return await self.ecr.http("GET", f"/v2/{name}/manifests/{reference}")


@asynccontextmanager
async def both_registries(root: Path, url: str | None, **more: object) -> AsyncGenerator[Both]:
    """A registry in `root/own` that caches, and its upstream in `root/upstream`."""
    for name in ("upstream", "own"):
        (root / name).mkdir(exist_ok=True)
    async with running_registry(root / "upstream") as upstream, front(upstream) as facade:
        await upstream.create_repository("team/web")
        settings = PullThrough(
            upstreams={facade.host: Upstream(f"http://{facade.host}")},
            secrets={"ecr-pullthroughcache/hub": Credential("me", "secret")},
        )
        async with running_registry(root / "own", url=url, settings={"pull_through": settings, **more}) as ecr:
            yield Both(ecr, upstream, facade)
