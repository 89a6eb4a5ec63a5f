"""What other services and the server ask of IAM, in their own transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from roadstead.access.master_key import MasterKey
from roadstead.access.revisions import touch_account
from roadstead.access.tables import access_keys, inline_policies, roles, users
from roadstead.core.policy.document import PolicyDocument, parse_policy
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import secret_key, unique_id
from roadstead.services.iam.entities import entity_arn
from roadstead.services.iam.passwords import Passwords
from roadstead.services.iam.user_mfa import use_mfa_code
from roadstead.services.iam.uses import UseRecorder
from roadstead.store import Transaction

__all__ = [
    "IssuedKey",
    "Passwords",
    "Role",
    "UseRecorder",
    "first_key",
    "role_by_arn",
    "use_mfa_code",
    "user_exists",
    "user_with_key",
]


@dataclass(frozen=True, slots=True)
class Role:
    """A role as other services see it."""

    arn: Arn
    role_id: str
    trust_policy: PolicyDocument


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A long-term key at the only moment when its secret is shown."""

    user_arn: Arn
    access_key_id: str
    secret_access_key: str


async def role_by_arn(tx: Transaction, arn: Arn) -> Role | None:
    """The role with exactly this ARN, its path included."""
    kind, _, rest = arn.resource.partition("/")
    name = rest.rsplit("/", 1)[-1]
    stmt = select(roles).where(roles.c.account == arn.account, roles.c.role_name == name)
    row = (await tx.execute(stmt)).one_or_none()
    if kind != "role" or row is None or entity_arn(arn.account, "role", row.path, name) != arn:
        return None
    return Role(arn=arn, role_id=str(row.role_id), trust_policy=parse_policy(str(row.trust_policy), trust=True))


async def user_with_key(
    tx: Transaction, *, master: MasterKey, account: str, name: str, path: str, policy: str, now: datetime
) -> IssuedKey:
    """Make a user with one inline policy and a key: the generated administrator, a host's own identity."""
    await tx.execute(
        insert(users).values(account=account, user_name=name, user_id=unique_id("AIDA"), path=path, created_at=now)
    )
    await tx.execute(
        insert(inline_policies).values(
            account=account, entity_kind="user", entity_name=name, policy_name="generated", document=policy
        )
    )
    key_id, secret = unique_id("AKIA"), secret_key()
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


async def user_exists(tx: Transaction, account: str, name: str) -> bool:
    """Whether the account has a user of this name."""
    stmt = select(users.c.user_name).where(users.c.account == account, users.c.user_name == name)
    return (await tx.execute(stmt)).one_or_none() is not None
