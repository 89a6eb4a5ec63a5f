"""One-time passwords against the vectors of RFC 6238, appendix B (the last six of its eight digits)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roadstead.services.iam.totp import code_at, step_at, step_of_code, step_of_codes

SEED = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_vectors_of_the_rfc(seconds: int, code: str):
    assert code_at(SEED, step_at(datetime.fromtimestamp(seconds, UTC))) == code


def test_a_code_is_found_within_reach_only():
    assert step_of_code(SEED, code_at(SEED, 101), 100, 1) == 101
    assert step_of_code(SEED, code_at(SEED, 102), 100, 1) is None


def test_two_codes_must_follow_one_another():
    first, second = code_at(SEED, 104), code_at(SEED, 105)
    assert step_of_codes(SEED, first, second, 100, 10) == 105
    assert step_of_codes(SEED, second, first, 100, 10) is None
    assert step_of_codes(SEED, first, code_at(SEED, 106), 100, 10) is None
    assert step_of_codes(SEED, first, second, 100, 4) is None
