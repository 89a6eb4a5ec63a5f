"""Identities that nobody creates through the API: the administrators of accounts, hosts, the managing account's role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import delete, insert, select, update

from roadstead.access.master_key import MasterKey
from roadstead.access.revisions import touch_account
from roadstead.access.tables import access_keys, attached_policies, group_members, inline_policies, roles, users
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import access_key_id, secret_key, unique_id
from roadstead.services.iam.entities import entity_arn
from roadstead.services.iam.tables import access_key_uses, action_uses, login_profiles, mfa_devices
from roadstead.services.iam.tag_rows import drop_tags
from roadstead.store import Transaction

ADMINISTRATOR = "admin"
"""The name of an account's first user."""
ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"
ACCESS_ROLE = "OrganizationAccountAccessRole"
"""The role that AWS Organizations makes in an account for the one that manages it."""
_ROLE_SESSION = 3600


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A long-term key at the only moment when its secret is shown."""

    user_arn: Arn
    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The identities of a new account."""

    user_name: str
    key: IssuedKey
    role_arn: Arn


async def user_with_key(
    tx: Transaction, *, master: MasterKey, account: str, name: str, path: str, policy: str, now: datetime
) -> IssuedKey:
    """Make a user with one inline policy and a key: the generated administrator, a host's own identity."""
    await _add_user(tx, account, name, path, now)
    await tx.execute(
        insert(inline_policies).values(
            account=account, entity_kind="user", entity_name=name, policy_name="generated", document=policy
        )
    )
    return await _issue_key(tx, master, account, name, path, now)


async def account_with_administrator(
    tx: Transaction, *, master: MasterKey, account: str, manager: str, now: datetime
) -> NewAccount:
    """What a new account is born with: a user `admin`, and the role that the account `manager` may assume; both may do everything."""
    await _add_user(tx, account, ADMINISTRATOR, "/", now)
    trusted = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{manager}:root"}, "Action": "sts:AssumeRole"}
    trust = msgspec.json.encode({"Version": "2012-10-17", "Statement": [trusted]}).decode()
    await tx.execute(
        insert(roles).values(
            account=account,
            role_name=ACCESS_ROLE,
            role_id=unique_id("AROA"),
            path="/",
            trust_policy=trust,
            description="",
            max_session_duration=_ROLE_SESSION,
            created_at=now,
        )
    )
    for kind, name in (("user", ADMINISTRATOR), ("role", ACCESS_ROLE)):
        row = {"account": account, "entity_kind": kind, "entity_name": name, "policy_arn": ADMINISTRATOR_ACCESS}
        await tx.execute(insert(attached_policies).values(row))
    key = await _issue_key(tx, master, account, ADMINISTRATOR, "/", now)
    return NewAccount(ADMINISTRATOR, key, entity_arn(account, "role", "/", ACCESS_ROLE))


async def remove_user(tx: Transaction, account: str, name: str) -> None:
    """Delete a user, where there is one, with everything that belongs to it; its MFA devices stay, and belong to nobody."""
    keys = select(access_keys.c.access_key_id).where(access_keys.c.account == account, access_keys.c.user_name == name)
    await tx.execute(delete(access_key_uses).where(access_key_uses.c.access_key_id.in_(keys)))
    for table in (access_keys, group_members, login_profiles):
        await tx.execute(delete(table).where(table.c.account == account, table.c.user_name == name))
    of_user = (mfa_devices.c.account == account, mfa_devices.c.user_name == name)
    await tx.execute(update(mfa_devices).where(*of_user).values(user_name=None, enabled_at=None))
    for table in (inline_policies, attached_policies, action_uses):
        columns = table.c
        await tx.execute(
            delete(table).where(columns.account == account, columns.entity_kind == "user", columns.entity_name == name)
        )
    await drop_tags(tx, account, "user", name)
    await tx.execute(delete(users).where(users.c.account == account, users.c.user_name == name))
    await touch_account(tx, account)


async def has_user(tx: Transaction, account: str, name: str) -> bool:
    """Whether there is such a user."""
    stmt = select(users.c.user_id).where(users.c.account == account, users.c.user_name == name)
    return (await tx.execute(stmt)).first() is not None


async def first_key(tx: Transaction, *, master: MasterKey, account: str, name: str) -> IssuedKey | None:
    """The oldest active key of a user with its secret, for the server's own use; None when there is none."""
    stmt = (
        select(access_keys.c.access_key_id, access_keys.c.secret, users.c.path)
        .join(users, (users.c.account == access_keys.c.account) & (users.c.user_name == access_keys.c.user_name))
        .where(access_keys.c.account == account, access_keys.c.user_name == name, access_keys.c.status == "Active")
        .order_by(access_keys.c.created_at, access_keys.c.access_key_id)
    )
    row = (await tx.execute(stmt)).first()
    if row is None:
        return None
    key_id = str(row.access_key_id)
    secret = master.decrypt(bytes(row.secret), f"access-key:{key_id}").decode()
    return IssuedKey(entity_arn(account, "user", str(row.path), name), key_id, secret)


async def _add_user(tx: Transaction, account: str, name: str, path: str, now: datetime) -> None:
    await tx.execute(
        insert(users).values(account=account, user_name=name, user_id=unique_id("AIDA"), path=path, created_at=now)
    )


async def _issue_key(
    tx: Transaction, master: MasterKey, account: str, name: str, path: str, now: datetime
) -> IssuedKey:
    key_id, secret = access_key_id("AKIA", account), secret_key()
    await tx.execute(
        insert(access_keys).values(
            access_key_id=key_id,
            account=account,
            user_name=name,
            secret=master.encrypt(secret.encode(), f"access-key:{key_id}"),
            status="Active",
            created_at=now,
        )
    )
    await touch_account(tx, account)
    return IssuedKey(entity_arn(account, "user", path, name), key_id, secret)
