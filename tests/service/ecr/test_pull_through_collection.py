"""A pull through cache beside garbage collection."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.service.ecr.caches import Both

from roadstead.services.ecr import collection, pull_through


async def test_what_is_collected_between_looking_and_fetching_is_fetched(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    await both.rule()
    await both.upstream.push_image("team/web", "v1")
    pulled = await both.pull("v1")
    assert pulled.status == 200
    request = {"repositoryName": "cache/team/web", "imageIds": [{"imageTag": "v1"}]}
    await both.ecr.api("BatchDeleteImage", request)
    both.ecr.clock.offset += timedelta(days=5)

    async def racing(*args: Any) -> Any:
        done = await collection.collect_garbage(both.ecr.storage, both.ecr.store.run, timedelta(days=1))
        assert done.links == 2
        return await collection.keep_for_push(*args)

    monkeypatch.setattr(pull_through, "keep_for_push", racing)
    again = await both.pull("v1")
    assert (again.status, again.body) == (200, pulled.body)
    for part in (again.json["config"], *again.json["layers"]):
        assert (await both.ecr.http("GET", f"/v2/cache/team/web/blobs/{part['digest']}")).status == 200
