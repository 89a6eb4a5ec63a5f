from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.tokenbucket import Bucket, Rate, take


def test_a_burst_and_then_one_at_a_time() -> None:
    rate, bucket = Rate(2, 3), None
    waits: list[float] = []
    for _ in range(4):
        bucket, wait = take(bucket, rate, 100.0)
        waits.append(wait)
    assert waits == [0, 0, 0, 0.5]
    bucket, wait = take(bucket, rate, 100.5)
    assert wait == 0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200), st.integers(1, 20), st.integers(1, 20))
def test_never_more_than_rate_and_burst(steps: list[float], per_second: int, burst: int) -> None:
    rate, bucket, now, taken = Rate(per_second, burst), None, 0.0, 0
    for step in steps:
        now += step
        bucket, wait = take(bucket, rate, now)
        taken += wait == 0
        assert wait >= 0
    assert taken <= burst + now * per_second + 1e-6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    assert take(Bucket(0.0, 100.0), Rate(1, 5), 50.0)[1] == 1.0
