from __future__ import annotations

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.policy.arn_pattern import compile_arn, in_full
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.glob import matches

NO_KEYS = RequestContext()


@given(st.text(alphabet="ab*?:\n.\\", max_size=12), st.text(alphabet="ab:\n.\\", max_size=12))
def test_glob_is_the_shells(pattern: str, text: str) -> None:
    translated = fnmatch.translate(pattern)
    assert matches(pattern, text) == bool(re.fullmatch(translated, text))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 2000 + "b", "a" * 20_000),
        ("*?a" * 2000 + "b", "a" * 20_000),
        ("?" * 4000 + "*" + "a?" * 2000 + "b*", "a" * 20_000),
        ("*" * 100_000 + "b", "a" * 20_000),
    ],
)
def test_hostile_patterns_take_bounded_time(pattern: str, text: str) -> None:
    started = time.process_time()
    assert not matches(pattern, text)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("pattern", "arn", "fits"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::*", "arn:aws:s3:::b/a:b:c", True),
        ("arn:aws:ecs:*:111122223333:cluster/*", "arn:aws:ecs:eu-west-1:111122223333:cluster/a", True),
        ("arn:aws:ecs:*:111122223333:cluster/*", "arn:aws:ecs:eu-west-1:444455556666:cluster/a", False),
        ("arn:aws:ecs:eu-*-?:*:cluster/a", "arn:aws:ecs:eu-west-1:1:cluster/a", True),
        ("arn:aws:ecs:eu-*-?:*:cluster/a", "arn:aws:ecs:eu-west-12:1:cluster/a", False),
        # a wildcard stays within its part: the documentation's example
        (
            "arn:aws:someservice:*:111122223333:finance/*",
            "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt",
            False,
        ),
        ("arn:aws:s3:::b", "no arn", False),
        ("arn:*:s3:::b", "no arn", False),
        ("arn:aws:s3", "arn:aws:s3:::b", False),
        ("*", "arn:aws:s3:::b", False),
    ],
)
def test_arns_are_compared_part_by_part(pattern: str, arn: str, fits: bool) -> None:
    assert compile_arn(pattern, variables=False)(arn, NO_KEYS) is fits


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("1/test/object.jpg", True),
        ("1/2/test/object.jpg", True),
        ("1/2/test/3/object.jpg", True),
        ("1///test///object.jpg", True),
        ("1/test/.jpg", True),
        ("/test/object.jpg", True),
        ("1/test/", True),
        ("1-test/object.jpg", False),
        ("test/object.jpg", False),
        ("1/2/test.jpg", False),
    ],
)
def test_a_wildcard_crosses_slashes(key: str, fits: bool) -> None:
    """The worked example of the Resource element's page."""
    test = compile_arn("arn:aws:s3:::DOC-EXAMPLE-BUCKET/*/test/*", variables=True)
    assert test(f"arn:aws:s3:::DOC-EXAMPLE-BUCKET/{key}", NO_KEYS) is fits


def test_a_star_at_the_end_of_a_short_resource_stands_for_the_rest() -> None:
    assert in_full("arn:aws:logs:*") == "arn:aws:logs:*:*:*"
    assert in_full("arn:aws:logs:eu-*") == "arn:aws:logs:eu-*:*:*"
    assert in_full("arn:aws:s3:::b*") == "arn:aws:s3:::b*"
    assert in_full("arn:aws:logs") == "arn:aws:logs"
