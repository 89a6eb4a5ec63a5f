"""kill -9 in every phase of a push by the API: what was acknowledged is there, nothing is served in part, and boto3 users can go on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import HTTPClientError
from obstore.store import S3Store
from tests.service.ecr.pushing import PART, WEB, Push, is_served_whole
from tests.service.registry.harness import digest_of, running_registry
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server, open_bucket
from tests.support.server_process import ServerProcess, server_process

from roadstead.services.ecr.api import collect_garbage, expire_uploads
from roadstead.services.ecr.checkup import check

COMMON = {
    "before:create_upload": [],
    "after:create_upload": [],
    "after:InitiateLayerUpload": [],
    "before:append": [],
    "after:append": ["InvalidLayerPartException"],
    "after:UploadLayerPart": ["InvalidLayerPartException"],
    "before:seal": [],
    "after:seal": ["UploadNotFoundException"],
    "before:commit": ["UploadNotFoundException"],
    "after:commit": ["UploadNotFoundException"],
    "after:CompleteLayerUpload": ["LayerAlreadyExistsException"],
    "before:manifest": [],
    "after:manifest": [],
    "after:PutImage": ["ImageAlreadyExistsException"],
}
"""When the server dies, and what the client that goes on is told on its way."""
ON_DISK = {**COMMON, "in:part": ["InvalidLayerPartException"]}
IN_A_BUCKET = {
    "in:part": [],
    "before:_put": [],
    "after:_put": [],
    "after:append": ["InvalidLayerPartException"],
    "before:_whole": [],
    "after:_whole": [],
    "before:_forget": ["UploadNotFoundException"],
    "after:seal": ["UploadNotFoundException"],
    "after:CompleteLayerUpload": ["LayerAlreadyExistsException"],
}
"""Of a push to a bucket, what is not in the database alone."""


@pytest.mark.parametrize("moment", ON_DISK)
def test_killed_in_every_phase(tmp_path: Path, moment: str) -> None:
    assert _killed_and_gone_on(tmp_path / "data", moment) == ON_DISK[moment]


@pytest.mark.parametrize("moment", IN_A_BUCKET)
def test_killed_in_every_phase_of_a_push_to_a_bucket(tmp_path: Path, s3_server: S3Server, moment: str) -> None:
    name = f"api-kill-{sha256(str(tmp_path).encode()).hexdigest()[:16]}"
    s3_server.client().create_bucket(Bucket=name)
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_CONFIG_FILE": "/dev/null"}
    url = f"s3://{name}/registry?endpoint={s3_server.endpoint}&region=us-east-1"
    bucket = open_bucket(s3_server.endpoint, name, prefix="registry")
    told = _killed_and_gone_on(tmp_path / "data", moment, bucket, options=("--blobs", url), environment=keys)
    assert told == IN_A_BUCKET[moment]


def _killed_and_gone_on(data: Path, moment: str, bucket: S3Store | None = None, **settings: Any) -> list[str]:
    """What a client is told that goes on in the next server."""
    push = Push(os.urandom(2 * PART + 1_000_000))
    dying = ("tests.service.ecr.dying_server", moment)
    with server_process(data, module=dying, **settings) as server:
        server.start()
        ecr = server.client("ecr")
        ecr.create_repository(**WEB)
        with pytest.raises(HTTPClientError):
            push.go_on(ecr)
        assert server.exit_status(30) == -9
    with server_process(data, **settings) as server:
        server.start()
        ecr = server.client("ecr")
        for content in push.contents:
            assert is_served_whole(ecr, content) or digest_of(content) not in push.done
        assert _is_right(server)
        push.go_on(ecr)
        assert all(is_served_whole(ecr, content) for content in push.contents)
        (image,) = ecr.batch_get_image(**WEB, imageIds=[{"imageTag": "latest"}])["images"]
        assert image["imageManifest"] == push.manifest.decode()
        server.stop()
    asyncio.run(_nothing_is_left(data / "server", bucket))
    return push.refusals


def _is_right(server: ServerProcess) -> bool:
    command = [sys.executable, "-m", "roadstead", "registry", "fsck", "--data", str(server.data)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return "everything is right" in checked.stdout


async def _nothing_is_left(state: Path, bucket: S3Store | None) -> None:
    """What the dead server left goes by itself: three days later there are the image's two layers, and nothing else."""
    async with running_registry(state, fresh=False, bucket=bucket) as registry:
        registry.clock.offset = timedelta(days=3)
        await expire_uploads(registry.storage, registry.clock.now())
        await collect_garbage(registry.storage, registry.store.run, timedelta(days=1), leftovers=True)
        registry.clock.offset += registry.blobs.linger + timedelta(minutes=1)
        await collect_garbage(registry.storage, registry.store.run, timedelta(days=1))
        page = await check(registry.storage, [], repair=False)
        assert (page.findings, page.contents) == ([], 2)
        assert len([info async for info in registry.blobs.list()]) == 2
        if bucket is None:
            assert not list((state / "blobs" / "uploads").iterdir())
