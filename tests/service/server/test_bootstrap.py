"""What a deployment is born with, and what becomes of it when its files are lost or its settings change."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.support.postgres import PostgresServer

from roadstead.access.errors import AuthenticationError
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal
from roadstead.access.sealing import Sealer
from roadstead.core.sigv4 import SignableRequest, sign
from roadstead.kernel.clock import SystemClock
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.server.parts import running_server
from roadstead.server.settings import ServerSettings


@pytest.fixture
def settings(store_url: str, tmp_path: Path) -> ServerSettings:
    return ServerSettings(data_dir=tmp_path / "data", database=None if store_url.startswith("sqlite") else store_url)


async def start(settings: ServerSettings, *keys: dict[str, Any]) -> list[Principal | None]:
    """Run a server once; who each of `keys` is there, None for nobody."""
    async with running_server(settings) as server:
        master = MasterKey.load(settings.master_key)
        keeper = Gatekeeper(await Sealer.load(server.store, master, SystemClock()), master, SystemClock())
        found: list[Principal | None] = []
        for each in keys:
            async with server.store.snapshot() as tx:
                try:
                    found.append((await keeper.at(tx).authenticate(signed(each))).principal)
                except AuthenticationError:
                    found.append(None)
        return found


def signed(keys: dict[str, Any]) -> SignableRequest:
    now = SystemClock().now()
    empty = sha256(b"").hexdigest()
    bare = SignableRequest("POST", "/", "", {"host": "127.0.0.1"}, empty)
    added = sign(
        bare,
        access_key_id=keys["accessKeyId"],
        secret=keys["secretAccessKey"],
        region="us-east-1",
        service="sts",
        now=now,
    )
    return SignableRequest(
        "POST", "/", "", {name.lower(): value for name, value in {"host": "127.0.0.1", **added}.items()}, empty
    )


def read(settings: ServerSettings, name: str) -> dict[str, Any]:
    return json.loads((settings.data_dir / name).read_text())


async def test_a_new_deployment_has_an_administrator_and_a_host(settings: ServerSettings):
    await start(settings)
    admin, host = await start(settings, read(settings, "credentials.json"), read(settings, "agent.json"))
    assert admin is not None
    assert admin.account == settings.account
    assert host is not None
    assert host.account == INTERNAL_ACCOUNT


async def test_secrets_are_for_their_owner_alone(settings: ServerSettings):
    await start(settings)
    secrets = [settings.data_dir / "credentials.json", settings.data_dir / "agent.json", settings.master_key]
    assert [oct(path.stat().st_mode & 0o777) for path in secrets] == ["0o600"] * 3
    assert settings.data_dir.stat().st_mode & 0o077 == 0
    assert settings.state_dir.stat().st_mode & 0o077 == 0


async def test_a_restart_keeps_both(settings: ServerSettings):
    await start(settings)
    before = read(settings, "credentials.json"), read(settings, "agent.json")
    await start(settings)
    assert (read(settings, "credentials.json"), read(settings, "agent.json")) == before


async def test_lost_credentials_are_replaced_and_void(tmp_path: Path):
    settings = ServerSettings(data_dir=tmp_path / "data")
    await start(settings)
    lost = read(settings, "credentials.json")
    (settings.data_dir / "credentials.json").unlink()
    await start(settings)
    old, new = await start(settings, lost, read(settings, "credentials.json"))
    assert old is None
    assert new is not None


async def test_a_lost_host_identity_is_replaced(settings: ServerSettings):
    await start(settings)
    lost = read(settings, "agent.json")
    (settings.data_dir / "agent.json").unlink()
    await start(settings)
    found = read(settings, "agent.json")
    assert found["hostId"] != lost["hostId"]


@pytest.mark.postgres
async def test_servers_of_one_database_share_the_administrator(postgres_server: PostgresServer, tmp_path: Path):
    name = postgres_server.create_database()
    first = ServerSettings(data_dir=tmp_path / "a", database=postgres_server.url(name), state=tmp_path / "state")
    second = replace(first, data_dir=tmp_path / "b", port=4567)
    await start(first)
    await start(second)
    a, b = read(first, "credentials.json"), read(second, "credentials.json")
    assert (b["accessKeyId"], b["secretAccessKey"]) == (a["accessKeyId"], a["secretAccessKey"])
    assert b["endpoint"].endswith(":4567")
    assert read(first, "agent.json")["hostId"] != read(second, "agent.json")["hostId"]
    postgres_server.drop_database(name)


async def test_another_account_has_an_administrator_of_its_own(settings: ServerSettings):
    await start(settings)
    before = read(settings, "credentials.json")
    moved = replace(settings, account="111122223333")
    await start(moved)
    after = read(moved, "credentials.json")
    assert after["account"] == "111122223333"
    old, new = await start(moved, before, after)
    assert old is not None, "the first account is still there"
    assert old.account == settings.account
    assert new is not None
    assert new.account == "111122223333"


async def test_another_port_is_written_down(settings: ServerSettings):
    await start(settings)
    before = read(settings, "credentials.json")
    await start(replace(settings, port=4999))
    after = read(settings, "credentials.json")
    assert after["endpoint"].endswith(":4999")
    assert after["accessKeyId"] == before["accessKeyId"]
    assert read(settings, "agent.json")["endpoint"].endswith(":4999")
