from __future__ import annotations

import pytest

from roadstead.engines.version import VersionRange, parse_version


@pytest.mark.parametrize(
    ("version", "accepted", "fits"),
    [
        ("2.3.7", ">=2.0,<3", True),
        ("3.0.0", ">=2.0,<3", False),
        ("1.10.0", ">1.9", True),
        ("2", "==2.0.0", True),
        ("2.0.1", "!=2.0.1", False),
        ("1.6.20", ">=2.0", False),
        ("0.1", "", True),
        ("1.0", "<=1", True),
    ],
)
def test_ranges(version: str, accepted: str, fits: bool) -> None:
    assert (version in VersionRange.parse(accepted)) is fits


@pytest.mark.parametrize("text", ["2.0", ">=x", "~=2", ">= 2 <3"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="not a version comparison"):
        VersionRange.parse(text)


def test_trailing_zeros_do_not_count() -> None:
    assert parse_version("2.0.0") == parse_version("2") == (2,)
    assert parse_version("0.0") == (0,)
