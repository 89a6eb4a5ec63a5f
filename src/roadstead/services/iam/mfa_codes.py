"""MFA codes that are shown to other services: used up in a transaction of their own."""

from __future__ import annotations

from roadstead.access.master_key import MasterKey
from roadstead.kernel.clock import Clock
from roadstead.services.iam.mfa_attempts import Attempts
from roadstead.services.iam.mfa_devices import find_device
from roadstead.services.iam.user_mfa import use_mfa_code
from roadstead.store import Store


class MfaCodes:
    """The devices of users, for who asks for a code."""

    def __init__(self, store: Store, master: MasterKey, clock: Clock) -> None:
        self._store = store
        self._master = master
        self._clock = clock
        self._attempts = Attempts(clock)

    async def belongs(self, account: str, user: str, serial: str) -> bool:
        """Whether the user has this device."""
        async with self._store.snapshot() as tx:
            row = await find_device(tx, account, serial)
        return row is not None and row.user_name == user

    async def use(self, account: str, user: str, serial: str, code: str) -> bool:
        """Whether the user's device shows `code` now. It counts once, whatever becomes of the request that showed it.

        After some wrong codes none is looked at for some minutes.
        """
        device = (account, serial)
        if self._attempts.exhausted(device):
            return False
        noted = self._attempts.failed(
            device
        )  # wrong until it has held: many at once are no more tries than one after the other
        held = await self._store.run(
            lambda tx: use_mfa_code(
                tx,
                master=self._master,
                account=account,
                user=user,
                serial=serial,
                code=code,
                now=self._clock.now(),
            )
        )
        if held:
            self._attempts.held(device, noted)
        return held
