"""Wrong codes use up the tries of a device, for some minutes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.context import MovedClock

from roadstead.access.master_key import MasterKey
from roadstead.services.iam import mfa_codes
from roadstead.services.iam.mfa_attempts import ALLOWED, WINDOW_SECONDS, Attempts
from roadstead.services.iam.mfa_codes import MfaCodes
from roadstead.store import Transaction, open_store


def test_tries_are_used_up_and_come_back_one_by_one() -> None:
    clock = MovedClock()
    attempts = Attempts(clock)
    for _ in range(ALLOWED):
        assert not attempts.exhausted("a")
        attempts.failed("a")
        clock.move(timedelta(seconds=10))
    assert attempts.exhausted("a")
    assert not attempts.exhausted("b"), "each device has its own"
    clock.move(timedelta(seconds=WINDOW_SECONDS - 10 * ALLOWED))
    assert not attempts.exhausted("a"), "the first has been forgotten"
    attempts.failed("a")
    assert attempts.exhausted("a")
    clock.move(timedelta(seconds=WINDOW_SECONDS))
    assert not attempts.exhausted("a")


async def test_codes_that_are_shown_at_once_are_tries_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    async def use(tx: Transaction, *, code: str, **more: object) -> bool:
        looked_at.append(code)
        await asyncio.sleep(0)  # as for an answer of the database
        return code == "right"

    monkeypatch.setattr(mfa_codes, "use_mfa_code", use)
    async with await open_store(f"sqlite:///{tmp_path / 'db'}") as store:
        codes = MfaCodes(store, MasterKey(bytes(32)), MovedClock())

        async def show(device: str, *shown: str) -> list[bool]:
            return await asyncio.gather(*(codes.use("1", "ann", device, code) for code in shown))

        assert not any(await show("a", *(f"{code:06}" for code in range(50))))
        assert len(looked_at) == ALLOWED
        for _ in range(2 * ALLOWED):
            assert await show("b", "right") == [True], "what holds uses nothing up"
