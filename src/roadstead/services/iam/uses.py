"""When identities and keys were last used. A request writes nothing of it: uses are gathered and written together, now and then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select, update

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.tables import access_keys
from roadstead.kernel.clock import Clock
from roadstead.kernel.regions import is_region
from roadstead.services.iam.entities import KINDS, find_entity, name_of
from roadstead.services.iam.tables import access_key_uses, action_uses
from roadstead.store import Moments, Store, Transaction
from roadstead.store.moments import PRECISION

_REMEMBERED = 50_000
_LONG_TERM = "AKIA"
_SERVICE = re.compile(r"[a-z0-9-]{1,64}")
_GLOBAL = "global"
"""The region of signatures for services without regions, as some clients make them."""
_UNTRACKED = frozenset({"iam:PassRole"})
"""Actions that are no calls of an API, and have no time of last access."""


class _Use(NamedTuple):
    account: str
    kind: str
    name: str
    action: str
    region: str


class _KeyUse(NamedTuple):
    key_id: str
    service: str
    region: str


class UseRecorder:
    """Gathers uses in memory: a request writes nothing of them. `moments` writes them while the server lives."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self.moments = Moments[_Use | _KeyUse](store, _write, what="uses of identities", remembered=_REMEMBERED)
        self._lately: dict[tuple[str, str, str], float] = {}
        """Until when nothing needs to be done for a key, what it was used for, and a region: most uses end here."""

    def signed(self, principal: Principal, service: str, region: str) -> None:
        """Note that a long-term key of `principal` was used to call a service (`ecs`) in a region.

        Of a signature only the key is known to be right: one that is scoped to anything else is no such call.
        """
        if not principal.access_key_id.startswith(_LONG_TERM) or not self._is_new(principal, service, region):
            return
        if _SERVICE.fullmatch(service) and _is_place(region):
            self.moments.note(_KeyUse(principal.access_key_id, service, region), self._clock.now())

    def asked(self, principal: Principal, action: str, region: str) -> None:
        """Note that `principal` asked for `action` (`ecs:RunTask`) in a region: attempts count, those that are denied among them."""
        if not self._is_new(principal, action, region) or action in _UNTRACKED or not _is_place(region):
            return
        if principal.kind in (PrincipalKind.USER, PrincipalKind.ASSUMED_ROLE):
            kind, _, name = name_of(principal.identity_arn)
            self.moments.note(_Use(principal.account, kind, name, action, region), self._clock.now())

    def _is_new(self, principal: Principal, what: str, region: str) -> bool:
        use, now = (principal.access_key_id, what, region), self._clock.monotonic()
        if self._lately.get(use, -1.0) > now:
            return False
        if len(self._lately) >= _REMEMBERED:
            self._lately.clear()
        self._lately[use] = now + PRECISION.total_seconds()
        return True


def _is_place(region: str) -> bool:
    """Whether a request was for this: a region, none, or what stands for none."""
    return is_region(region) or region in ("", _GLOBAL)


async def _write(tx: Transaction, pending: Mapping[_Use | _KeyUse, datetime]) -> None:
    for use, moment in pending.items():
        if isinstance(use, _Use):
            await _write_use(tx, use, moment)
        else:
            await _write_key_use(tx, use, moment)


async def _write_use(tx: Transaction, use: _Use, moment: datetime) -> None:
    """Keep the later time of an identity that is still there."""
    if await find_entity(tx, use.account, KINDS[use.kind], use.name) is None:
        return
    columns = action_uses.c
    where = (
        columns.account == use.account,
        columns.entity_kind == use.kind,
        columns.entity_name == use.name,
        columns.action == use.action,
    )
    known = (await tx.execute(select(columns.used_at).where(*where))).scalar()
    if known is None:
        await tx.execute(
            insert(action_uses).values(
                account=use.account,
                entity_kind=use.kind,
                entity_name=use.name,
                action=use.action,
                region=use.region,
                used_at=moment,
            )
        )
    elif known < moment:
        await tx.execute(update(action_uses).where(*where).values(region=use.region, used_at=moment))


async def _write_key_use(tx: Transaction, use: _KeyUse, moment: datetime) -> None:
    """Keep the later time of a key that is still there."""
    there = select(access_keys.c.access_key_id).where(access_keys.c.access_key_id == use.key_id)
    if (await tx.execute(there)).one_or_none() is None:
        return
    where = access_key_uses.c.access_key_id == use.key_id
    known = (await tx.execute(select(access_key_uses.c.used_at).where(where))).scalar()
    values = {"service": use.service, "region": use.region, "used_at": moment}
    if known is None:
        await tx.execute(insert(access_key_uses).values(access_key_id=use.key_id, **values))
    elif known < moment:
        await tx.execute(update(access_key_uses).where(where).values(**values))
