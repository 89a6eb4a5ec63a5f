"""What tests of lifecycle policies begin with: policies, images, and a pass of the controller."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from tests.service.registry.harness import Harness

from roadstead.controllers.controller import Shard
from roadstead.controllers.image_lifecycle import reconcile
from roadstead.store import outbox
from roadstead.store.leases import LeaseHolder

WEB = {"repositoryName": "web"}


def policy(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)})


def rule(priority: int = 1, action: object = None, **selection: object) -> dict[str, Any]:
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1, **selection}
    return {"rulePriority": priority, "selection": chosen, "action": action or {"type": "expire"}}


TO_ARCHIVE = {"type": "transition", "targetStorageClass": "archive"}
UNPULLED = {"countType": "sinceImagePulled", "countUnit": "days", "countNumber": 30}


@asynccontextmanager
async def leading(ecr: Harness, name: str = "a") -> AsyncGenerator[Shard]:
    lease = await LeaseHolder(ecr.store, name).acquire("controller/image-lifecycle", timedelta(seconds=20))
    assert lease is not None
    yield Shard(ecr.store, lease)
    await lease.release()


async def run(ecr: Harness) -> None:
    """One pass of the controller."""
    async with leading(ecr) as shard:
        await reconcile(shard)


async def put(ecr: Harness, text: str) -> None:
    await ecr.api("PutLifecyclePolicy", {**WEB, "lifecyclePolicyText": text})


async def push(ecr: Harness, *names: str) -> dict[str, str]:
    """Images, each an hour younger than the one before."""
    found: dict[str, str] = {}
    for name in names:
        found[name] = await ecr.push_image("web", name, name.encode())
        ecr.clock.offset += timedelta(hours=1)
    return found


async def tags(ecr: Harness) -> list[str]:
    ids = (await ecr.api("ListImages", WEB))["imageIds"]
    return sorted(image_id.get("imageTag", image_id["imageDigest"]) for image_id in ids)


async def status(ecr: Harness, tag: str) -> str:
    (image,) = (await ecr.api("DescribeImages", {**WEB, "imageIds": [{"imageTag": tag}]}))["imageDetails"]
    return str(image["imageStatus"])


async def events(ecr: Harness, topic: str) -> list[dict[str, Any]]:
    async with ecr.store.snapshot() as tx:
        table = outbox.outbox
        return [dict(row.payload) for row in await tx.execute(table.select().where(table.c.topic == topic))]
