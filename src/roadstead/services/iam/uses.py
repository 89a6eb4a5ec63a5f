"""When identities and keys were last used. A request writes nothing of it: uses are gathered and written together, now and then."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import insert, select, update

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.tables import access_keys
from roadstead.kernel.clock import Clock
from roadstead.services.iam.entities import KINDS, find_entity, name_of
from roadstead.services.iam.tables import access_key_uses, action_uses
from roadstead.store import Store, StoreError, Transaction

_log = structlog.stdlib.get_logger(__name__)

PRECISION = timedelta(minutes=15)
"""The same use this soon after the last recorded one is not recorded (AWS: some hours for services, 15 minutes for keys)."""

INTERVAL_SECONDS = 5.0

_REMEMBERED = 50_000
_LONG_TERM = "AKIA"


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
    """Gathers uses in memory; what a crash loses is a time, never a decision. `run` writes them while the server lives."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._recorded: OrderedDict[_Use | _KeyUse, datetime] = OrderedDict()
        self._pending: dict[_Use | _KeyUse, datetime] = {}

    def used(self, principal: Principal, action: str, region: str) -> None:
        """Note that `principal` was just allowed `action` (`ecs:RunTask`) in a region."""
        now = self._clock.now()
        if principal.kind in (PrincipalKind.USER, PrincipalKind.ASSUMED_ROLE):
            kind, _, name = name_of(principal.identity_arn)
            self._note(_Use(principal.account, kind, name, action, region), now)
        if principal.access_key_id.startswith(_LONG_TERM):
            self._note(_KeyUse(principal.access_key_id, action.partition(":")[0], region), now)

    def _note(self, use: _Use | _KeyUse, now: datetime) -> None:
        last = self._recorded.get(use)
        if last is not None and timedelta(0) <= now - last < PRECISION:
            return
        self._recorded[use] = self._pending[use] = now
        if len(self._recorded) > _REMEMBERED:
            self._recorded.popitem(last=False)

    async def flush(self) -> int:
        """Write what was gathered; returns how many. When that fails, it is kept for the next time."""
        pending, self._pending = self._pending, {}
        if not pending:
            return 0

        async def write(tx: Transaction) -> None:
            for use, moment in pending.items():
                if isinstance(use, _Use):
                    await _write_use(tx, use, moment)
                else:
                    await _write_key_use(tx, use, moment)

        try:
            await self._store.run(write)
        except BaseException:
            self._pending = {**pending, **self._pending}
            raise
        return len(pending)

    async def run(self) -> None:
        """Flush every few seconds until cancelled; call `flush` once more before the store closes."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.flush()
            except StoreError as error:
                _log.warning("uses of identities are not written yet", error=str(error))


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
