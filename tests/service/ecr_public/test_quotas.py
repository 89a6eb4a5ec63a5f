"""Public registries have quotas of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.service.ecr_public.harness import Public, alias, api, digest
from tests.support.postgres import PostgresServer
from tests.support.server import Account, ServerThread, refusal, server_thread
from tests.support.store import DATABASES

from roadstead.services.ecr.quotas import QUOTAS

PART, MIB = b"x" * 10, 1024 * 1024
QUOTA = {
    "PublicLayerParts": 2,
    "PublicLayerPartMinimumBytes": 1,
    "PublicLayerBytes": 100,
    "PublicTagsPerImage": 1,
    "PublicRepositoriesPerRegistry": 1,
}


@pytest.fixture(params=DATABASES)
def limited(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "sqlite":
        with server_thread(tmp_path, ecr_quotas=QUOTA) as running:
            yield running
        return
    databases: PostgresServer = request.getfixturevalue("postgres_server")
    name = databases.create_database()
    with server_thread(tmp_path, database=databases.url(name), ecr_quotas=QUOTA) as running:
        yield running
    databases.drop_database(name)


def test_the_numbers_of_aws() -> None:
    assert (QUOTAS["PublicLayerParts"], QUOTAS["PublicLayerBytes"]) == (1_000, 10_000 * MIB)
    assert (QUOTAS["LayerParts"], QUOTAS["LayerBytes"]) == (4_200, 52_000 * MIB)


def test_they_bound_public_registries_alone(limited: ServerThread) -> None:
    account = Account(limited, limited.new_account())
    for client, code in ((api(account), "LimitExceededException"), (account.ecr, None)):
        client.create_repository(repositoryName="web")
        upload = client.initiate_layer_upload(repositoryName="web")["uploadId"]
        for number in range(3):
            part = {"partFirstByte": number * 10, "partLastByte": number * 10 + 9, "layerPartBlob": PART}
            part |= {"repositoryName": "web", "uploadId": upload}
            if number < 2 or code is None:
                client.upload_layer_part(**part)
            else:
                refused = refusal(client.upload_layer_part, **part)
                assert refused.code == code
                assert "PublicLayerParts: 2" in refused.message
    assert refusal(api(account).create_repository, repositoryName="two").code == "LimitExceededException"
    account.ecr.create_repository(repositoryName="two")

    name = f"{alias(account)}/web"
    public = Public.signed_in(account)
    assert public.push(name, "v1").status == 201
    assert public.push(name, "v2").status == 429
    begun = public.send("POST", f"/v2/{name}/blobs/uploads/")
    large = b"x" * 101
    answer = public.send("PUT", f"{begun.headers['location']}?digest={digest(large)}", large)
    assert answer.status == 413
