"""Access keys and policies as decisions need them, cached under each account's revision."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import bindparam, select

from roadstead.access.asker import Asker, asker
from roadstead.access.held import (
    NOTHING_HELD,
    Held,
    ServiceControl,
    read_held,
    read_service_control,
    read_session_policy,
)
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.tables import access_keys, account_revisions, users
from roadstead.core.policy.compile import CompiledPolicy, compiled_text
from roadstead.core.policy.trace import PolicyKind, PolicySource
from roadstead.kernel.arn import Arn
from roadstead.store import Lookup, Transaction

_ASKERS = 10_000
"""How many principals of an account are remembered."""
_SESSION = PolicySource("session policy", PolicyKind.SESSION)
_REVISION = Lookup(select(account_revisions.c.revision).where(account_revisions.c.account == bindparam("account")))


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A long-term key with its owner and its secret in the clear."""

    principal: Principal
    secret: str
    active: bool


@dataclass(slots=True)
class _Account:
    revision: int
    keys: dict[str, AccessKey] = field(default_factory=dict[str, AccessKey])
    held: dict[tuple[str, str], Held] = field(default_factory=dict[tuple[str, str], Held])
    session: dict[str, CompiledPolicy] = field(default_factory=dict[str, CompiledPolicy])
    """The managed policies that limit sessions, by ARN."""
    service_control: ServiceControl | None = None
    askers: dict[str, Asker] = field(default_factory=dict[str, Asker])
    """Principals that asked, by the access key."""


class IdentityCache:
    """Shared by all requests of a server. Nothing of it is used before the account's revision was read in the request's transaction."""

    def __init__(self, master: MasterKey) -> None:
        self.master = master
        self.accounts: dict[str, _Account] = {}
        self.account_of_key: dict[str, str] = {}


class Identities:
    """The identities as one transaction sees them."""

    def __init__(self, cache: IdentityCache, tx: Transaction) -> None:
        self._cache = cache
        self.tx = tx
        self._fresh: dict[str, _Account] = {}

    async def _account(self, account: str) -> _Account:
        found = self._fresh.get(account)
        if found is None:
            rows = await self.tx.look_up(_REVISION, account=account)
            revision = rows[0][0] if rows else 0
            found = self._cache.accounts.get(account)
            if found is None or found.revision != revision:
                found = _Account(revision)
                self._cache.accounts[account] = found
            self._fresh[account] = found
        return found

    async def access_key(self, access_key_id: str) -> AccessKey | None:
        """The key of this id, active or not."""
        known = self._cache.account_of_key.get(access_key_id)
        if known is not None:
            account = await self._account(known)
            found = account.keys.get(access_key_id)
            if found is not None:
                return found
        stmt = (
            select(access_keys, users.c.user_id, users.c.path)
            .join(users, (users.c.account == access_keys.c.account) & (users.c.user_name == access_keys.c.user_name))
            .where(access_keys.c.access_key_id == access_key_id)
        )
        row = (await self.tx.execute(stmt)).one_or_none()
        if row is None:
            return None
        arn = Arn(service="iam", region="", account=str(row.account), resource=f"user{row.path}{row.user_name}")
        key = AccessKey(
            principal=Principal(
                kind=PrincipalKind.USER,
                account=str(row.account),
                arn=arn,
                identity_arn=arn,
                user_id=str(row.user_id),
                access_key_id=access_key_id,
            ),
            secret=self._cache.master.decrypt(bytes(row.secret), f"access-key:{access_key_id}").decode(),
            active=row.status == "Active",
        )
        (await self._account(str(row.account))).keys[access_key_id] = key
        self._cache.account_of_key[access_key_id] = str(row.account)
        return key

    async def asker(self, principal: Principal) -> Asker:
        """The principal with all that decisions about it need."""
        if not principal.account:
            return asker(principal, NOTHING_HELD, await self.session_policies(principal), ())
        account = await self._account(principal.account)
        known = account.askers.get(principal.access_key_id)
        if known is not None and (known.principal is principal or known.principal == principal):
            return known
        made = asker(
            principal,
            await self.held(principal),
            await self.session_policies(principal),
            await self.service_control(principal.account),
        )
        # What was read in this transaction is of its revision of the identity's account, which is the principal's.
        if principal.identity_arn.account == principal.account:
            if len(account.askers) >= _ASKERS:
                account.askers.clear()
            account.askers[principal.access_key_id] = made
        return made

    async def held(self, principal: Principal) -> Held:
        """What the user or role behind a principal holds.

        Nothing, where it is gone, or where it was made anew since the principal's session began.
        """
        if not principal.account:
            return NOTHING_HELD
        identity = principal.identity_arn
        kind, _, rest = identity.resource.partition("/")
        name = rest.rsplit("/", 1)[-1]
        account = await self._account(identity.account)
        found = account.held.get((kind, name))
        if found is None:
            found = await read_held(self.tx, identity.account, kind, name)
            account.held[(kind, name)] = found
        same = principal.issued_at is None or found.unique_id == principal.unique_id
        return found if same else NOTHING_HELD

    async def session_policies(self, principal: Principal) -> tuple[CompiledPolicy, ...] | None:
        """The policies that limit a session; None where it was opened without any."""
        if not principal.session_policies and not principal.session_policy_arns:
            return None
        found = [compiled_text(text, _SESSION) for text in principal.session_policies]
        if principal.session_policy_arns:
            account = await self._account(principal.account)
            for arn in principal.session_policy_arns:
                if arn not in account.session:
                    account.session[arn] = await read_session_policy(self.tx, arn)
                found.append(account.session[arn])
        return tuple(found)

    async def service_control(self, account: str) -> ServiceControl:
        """The policies that limit all of an account, level by level."""
        if not account:
            return ()
        cached = await self._account(account)
        if cached.service_control is None:
            cached.service_control = await read_service_control(self.tx, account)
        return cached.service_control
