"""What a deployment is born with, and what becomes of it when its files are lost or its settings change."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from tests.support.postgres import PostgresServer

from roadstead.access.errors import AuthenticationError
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal
from roadstead.access.revisions import touch_account
from roadstead.access.sealing import Sealer
from roadstead.access.tables import access_keys, attached_policies, group_members, inline_policies, tags, users
from roadstead.core.sigv4 import SignableRequest, sign
from roadstead.kernel.clock import SystemClock
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.server.parts import running_server
from roadstead.server.settings import ServerSettings
from roadstead.services.iam.tables import login_profiles, mfa_devices
from roadstead.store import Transaction


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


async def test_nothing_of_a_lost_administrator_arms_or_limits_the_new_one(settings: ServerSettings):
    """What was attached to the old user, and its MFA device, would otherwise be the new user's, which has the same name."""
    own = {"account": settings.account, "user_name": "admin"}
    policies = {"account": settings.account, "entity_kind": "user", "entity_name": "admin"}
    nothing = "arn:aws:iam::aws:policy/AWSDenyAll"
    async with running_server(settings) as server:

        async def belongings(tx: Transaction) -> None:
            now = tx.clock.now()
            await tx.execute(insert(attached_policies).values(**policies, policy_arn=nothing))
            await tx.execute(insert(inline_policies).values(**policies, policy_name="p", document="{}"))
            await tx.execute(insert(group_members).values(**own, group_name="g"))
            await tx.execute(insert(tags).values(**policies, tag_key="team", tag_value="red"))
            await tx.execute(update(users).where(users.c.user_name == "admin").values(permissions_boundary=nothing))
            password = {"salt": b"s", "password": b"p", "reset_required": False, "previous": []}
            await tx.execute(insert(login_profiles).values(**own, **password, changed_at=now, created_at=now))
            device = {"device_name": "phone", "path": "/", "seed": b"", "last_step": 0, "drift": 0}
            await tx.execute(insert(mfa_devices).values(**own, **device, enabled_at=now, created_at=now))

        await server.store.run(belongings)
    before = read(settings, "credentials.json")
    (settings.data_dir / "credentials.json").unlink()
    if settings.shared:  # another server could have made it: the key is handed on
        await start(settings)
        assert read(settings, "credentials.json")["accessKeyId"] == before["accessKeyId"]
        return
    async with running_server(settings) as server, server.store.snapshot() as tx:
        master, clock = MasterKey.load(settings.master_key), SystemClock()
        keeper = Gatekeeper(await Sealer.load(server.store, master, clock), master, clock)
        caller = await keeper.at(tx).authenticate(signed(read(settings, "credentials.json")))
        await keeper.at(tx).authorise(caller.principal, "ecs:RunTask", ["*"])
        for table in (attached_policies, group_members, tags, login_profiles):
            assert (await tx.execute(select(table).where(table.c.account == settings.account))).first() is None
        (policy,) = (
            await tx.execute(select(inline_policies).where(inline_policies.c.account == settings.account))
        ).all()
        assert policy.policy_name == "generated"
        device = (await tx.execute(select(mfa_devices))).one_or_none()
        assert device is not None
        assert device.user_name is None


async def test_a_lost_host_identity_is_replaced(settings: ServerSettings):
    await start(settings)
    lost = read(settings, "agent.json")
    (settings.data_dir / "agent.json").unlink()
    await start(settings)
    found = read(settings, "agent.json")
    assert found["hostId"] != lost["hostId"]


async def test_files_of_another_database_are_replaced(tmp_path: Path):
    """The directory of the database was removed, or another database is named."""
    settings = ServerSettings(data_dir=tmp_path / "data", state=tmp_path / "state")
    await start(settings)
    before = read(settings, "credentials.json"), read(settings, "agent.json")
    another = replace(settings, state=tmp_path / "another")
    await start(another)
    after = read(settings, "credentials.json"), read(settings, "agent.json")
    assert None not in await start(another, *after)
    assert after[0]["accessKeyId"] != before[0]["accessKeyId"]
    assert after[1]["hostId"] != before[1]["hostId"]


async def test_a_key_that_was_taken_away_is_not_given_again(settings: ServerSettings):
    await start(settings)
    async with running_server(settings) as server:

        async def take_away(tx: Transaction) -> None:
            await tx.execute(delete(access_keys).where(access_keys.c.account == settings.account))
            await touch_account(tx, settings.account)

        await server.store.run(take_away)
    before = read(settings, "credentials.json")
    assert await start(settings, before) == [None]
    assert read(settings, "credentials.json") == before


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
