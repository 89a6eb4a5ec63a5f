from __future__ import annotations

import pytest

from roadstead.kernel.regions import is_region


@pytest.mark.parametrize(
    "name", ["us-east-1", "eu-west-12", "us-gov-west-1", "cn-north-1", "ap-southeast-5", f"us-{'x' * 27}-1"]
)
def test_names_of_regions(name: str) -> None:
    assert is_region(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "us",
        "us-east",
        "us-east-123",
        "US-EAST-1",
        "us-east-\u0661",
        "us-east-1/x",
        "us-east-1\n",
        f"us-{'x' * 28}-1",
    ],
)
def test_other_texts(text: str) -> None:
    assert not is_region(text)
