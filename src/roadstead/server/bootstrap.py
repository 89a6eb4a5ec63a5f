"""What a new deployment is born with: an administrator, this host's identity, the Fargate pool's cluster, the default network."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from roadstead.access.master_key import MasterKey
from roadstead.access.revisions import had_identities
from roadstead.kernel.clock import Clock
from roadstead.kernel.ids import hex_id
from roadstead.kernel.settings import INTERNAL_ACCOUNT, Deployment
from roadstead.server.files import Credentials, write_secret
from roadstead.services.accounts.api import ensure_default_account
from roadstead.services.ec2.api import default_network
from roadstead.services.iam.api import ADMINISTRATOR, IssuedKey, first_key, has_user, remove_user, user_with_key
from roadstead.store import Store, Transaction
from roadstead.wire.identity import AgentIdentity

CREDENTIALS_FILE = "credentials.json"
AGENT_FILE = "agent.json"
T = TypeVar("T", bound=msgspec.Struct)
_EVERYTHING = msgspec.json.encode(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
).decode()
_AGENT_ACTIONS = [
    "ecs:DeregisterContainerInstance",
    "ecs:DiscoverPollEndpoint",
    "ecs:Poll",
    "ecs:RegisterContainerInstance",
    "ecs:StartTelemetrySession",
    "ecs:SubmitAttachmentStateChanges",
    "ecs:SubmitContainerStateChange",
    "ecs:SubmitTaskStateChange",
]


def _host_policy(host_id: str) -> str:
    own = f"arn:aws:roadstead:*:{INTERNAL_ACCOUNT}:host/{host_id}"
    statements = [
        {"Effect": "Allow", "Action": _AGENT_ACTIONS, "Resource": "*"},
        {"Effect": "Allow", "Action": "roadstead:*", "Resource": own},
    ]
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": statements}).decode()


async def ensure_identities(
    store: Store, master: MasterKey, deployment: Deployment, clock: Clock, *, shared: bool = False
) -> None:
    """Make the administrator and this host's identity where their files are missing; keep them otherwise.

    A lost file means a new key, and the old one is void. Only where servers share a database, a missing file may mean that another
    server made the administrator: then this one is given the same key. A file that was left of another database counts as lost; but
    whoever took an administrator's key away here is not given another one.
    """
    await _ensure_administrator(store, master, deployment, clock, shared=shared)
    await _ensure_agent(store, master, deployment, clock)


async def _ensure_administrator(
    store: Store, master: MasterKey, deployment: Deployment, clock: Clock, *, shared: bool
) -> None:
    path = deployment.data_dir / CREDENTIALS_FILE
    known = _read(path, Credentials)
    async with store.snapshot() as tx:
        is_new = not await had_identities(tx, deployment.account)
    if known is not None and known.account == deployment.account and not is_new:
        if (known.endpoint, known.region) != (deployment.endpoint, deployment.region):
            changed = msgspec.structs.replace(known, endpoint=deployment.endpoint, region=deployment.region)
            write_secret(path, changed)
        return
    key = await _fresh_user(
        store, master, clock, account=deployment.account, name=ADMINISTRATOR, path="/", policy=_EVERYTHING, keep=shared
    )
    write_secret(
        path,
        Credentials(
            account=deployment.account,
            region=deployment.region,
            endpoint=deployment.endpoint,
            access_key_id=key.access_key_id,
            secret_access_key=key.secret_access_key,
        ),
    )


async def _ensure_agent(store: Store, master: MasterKey, deployment: Deployment, clock: Clock) -> None:
    path = deployment.data_dir / AGENT_FILE
    known = _read(path, AgentIdentity)
    async with store.snapshot() as tx:
        is_here = known is not None and await has_user(tx, INTERNAL_ACCOUNT, known.host_id)
    if known is not None and is_here:
        current = msgspec.structs.replace(
            known,
            endpoint=deployment.endpoint,
            region=deployment.region,
            relay_key=master.relay_key(known.host_id).hex(),
        )
        if current != known:
            write_secret(path, current)
        return
    host_id = f"h-{hex_id(17)}"
    key = await _fresh_user(
        store, master, clock, account=INTERNAL_ACCOUNT, name=host_id, path="/hosts/", policy=_host_policy(host_id)
    )
    write_secret(
        path,
        AgentIdentity(
            host_id=host_id,
            endpoint=deployment.endpoint,
            region=deployment.region,
            access_key_id=key.access_key_id,
            secret_access_key=key.secret_access_key,
            relay_key=master.relay_key(host_id).hex(),
        ),
    )


async def _fresh_user(
    store: Store,
    master: MasterKey,
    clock: Clock,
    *,
    account: str,
    name: str,
    path: str,
    policy: str,
    keep: bool = False,
) -> IssuedKey:
    """A generated user with a new key; one that is left of a lost file is replaced, with all that belongs to it: its key is void, and
    nothing that was attached to it limits or arms the new one.

    With `keep`, the user that is there already is left alone, if it has a key that works.
    """

    async def work(tx: Transaction) -> IssuedKey:
        if keep and (known := await first_key(tx, master=master, account=account, name=name)) is not None:
            return known
        await remove_user(tx, account, name)
        return await user_with_key(
            tx, master=master, account=account, name=name, path=path, policy=policy, now=clock.now()
        )

    return await store.run(work)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


async def ensure_deployment(store: Store, deployment: Deployment) -> None:
    """Make the row of the default account, and its default network in the default region."""

    async def work(tx: Transaction) -> None:
        await ensure_default_account(tx, deployment, tx.clock.now())
        await default_network(tx, account=deployment.account, region=deployment.region)

    await store.run(work)
