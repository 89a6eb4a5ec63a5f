"""Clients that push one tag at once, through two servers on one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.service.registry.harness import Harness, image_manifest, running_registry
from tests.support.postgres import PostgresServer


@pytest.fixture
async def servers(tmp_path: Path, postgres_server: PostgresServer) -> AsyncGenerator[tuple[Harness, Harness]]:
    name = postgres_server.create_database()
    url = postgres_server.url(name)
    async with running_registry(tmp_path, url=url) as a, running_registry(tmp_path, url=url, fresh=False) as b:
        yield a, b
    postgres_server.drop_database(name)


@pytest.mark.postgres
@pytest.mark.parametrize("mutability", ["MUTABLE", "IMMUTABLE"])
async def test_one_tag_by_two_servers(servers: tuple[Harness, Harness], mutability: str) -> None:
    """The last one has a tag that may move, and one alone a tag that may not; whoever was refused otherwise left no trace."""
    a, b = servers
    await a.create_repository("web", imageTagMutability=mutability)
    for content in (b"{}", b"layer"):
        await a.push_blob("web", content)
    for turn in range(5):
        images = [image_manifest(b"{}", [b"layer"], annotations={"n": f"{turn}-{number}"}) for number in range(6)]
        pushes = (
            server.push_manifest("web", f"v{turn}", image) for server, image in zip((a, b) * 3, images, strict=True)
        )
        answers = await asyncio.gather(*pushes)
        won = [image for image, answer in zip(images, answers, strict=True) if answer.status == 201]
        refused = {(answer.status, answer.error) for answer in answers if answer.status != 201}
        if mutability == "IMMUTABLE":
            assert (len(won), refused) == (1, {(400, "TAG_INVALID")})
        else:
            assert won
            assert refused <= {(503, "UNAVAILABLE")}
        named = [(await server.http("GET", f"/v2/web/manifests/v{turn}")).body for server in servers]
        assert named[0] == named[1]
        assert named[0] in won
        listed = await b.api("DescribeImages", {"repositoryName": "web", "imageIds": [{"imageTag": f"v{turn}"}]})
        assert len(listed["imageDetails"]) == 1
    described = (await a.api("DescribeImages", {"repositoryName": "web"}))["imageDetails"]
    assert sorted(tag for image in described for tag in image.get("imageTags", [])) == [f"v{turn}" for turn in range(5)]
