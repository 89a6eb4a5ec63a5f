"""Wrong codes use up the tries of a device, for some minutes."""

from __future__ import annotations

from datetime import timedelta

from tests.support.context import MovedClock

from roadstead.services.iam.mfa_attempts import ALLOWED, WINDOW_SECONDS, Attempts


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
