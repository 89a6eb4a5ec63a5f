from __future__ import annotations

from roadstead.controllers.backoff import Backoff


def test_delays_double_up_to_a_limit_and_begin_anew() -> None:
    backoff = Backoff(first=1, most=5)
    assert [backoff.failed() for _ in range(4)] == [1, 2, 4, 5]
    backoff.succeeded()
    assert backoff.failed() == 1
    assert Backoff(failures=10_000).failed() == 30.0
