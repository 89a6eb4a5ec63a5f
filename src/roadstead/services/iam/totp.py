"""Time-based one-time passwords of virtual MFA devices: six digits, a new code every 30 seconds (RFC 6238 with HMAC-SHA-1)."""

from __future__ import annotations

import hmac
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

SEED_BYTES = 40
_SECONDS = 30
_DIGITS = 6


def step_at(now: datetime) -> int:
    """The number of the time step that `now` is in."""
    return int(now.timestamp()) // _SECONDS


def code_at(seed: bytes, step: int) -> str:
    """What a device with this seed shows in a time step."""
    return HOTP(seed, _DIGITS, SHA1()).generate(step).decode()  # noqa: S303 - the algorithm that authenticator apps know


def step_of_code(seed: bytes, code: str, around: int, reach: int) -> int | None:
    """The step nearest to `around`, at most `reach` away, that has this code."""
    return next((step for step in _outwards(around, reach) if _same(code_at(seed, step), code)), None)


def step_of_codes(seed: bytes, first: str, second: str, around: int, reach: int) -> int | None:
    """The step of `second` where the step before it has `first`, nearest to `around` and at most `reach` away."""
    for step in _outwards(around, reach):
        if _same(code_at(seed, step - 1), first) and _same(code_at(seed, step), second):
            return step
    return None


def _outwards(around: int, reach: int) -> list[int]:
    return sorted(range(around - reach, around + reach + 1), key=lambda step: abs(step - around))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
