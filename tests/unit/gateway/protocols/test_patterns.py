from __future__ import annotations

import pytest

from roadstead.gateway.models import SERVICES, service_model
from roadstead.gateway.protocols.patterns import REWRITTEN, UNENFORCED, matcher, translate


def model_patterns() -> set[str]:
    return {
        service.shape_for(name).metadata["pattern"]
        for service in map(service_model, SERVICES)
        for name in service.shape_names
        if "pattern" in service.shape_for(name).metadata
    }


def test_every_pattern_is_enforced_or_listed() -> None:
    patterns = model_patterns()
    assert {pattern for pattern in patterns if matcher(pattern) is None} == set(UNENFORCED)
    assert set(REWRITTEN) <= patterns


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Ä b/1", "a*"),
        (r"\p{Print}+", "abc ~", "a\tb"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a\n😀", "\x01"),
        (r"^arn:aws[a-z0-9-]*:iam::\d{12}:role\/[\w-\/.@+=,]{1,1017}$", "arn:aws:iam::000000000000:role/a-b/c", "x"),
        (r"^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", "a-b-c", "a--b"),
        (r"(?!aws:)[a-zA-Z+-=._:/]+", "team", "aws:team"),
        (r"^(?!arn:)[!-~]{1,1024}$", "example.com", "arn:x"),
        (r"^(?!\s*$).+", " a", "  "),
        (r"\d+", "1", "\u0661"),
    ],
)
def test_java_patterns_mean_the_same(pattern: str, good: str, bad: str) -> None:
    matches = matcher(pattern)
    assert matches is not None
    assert matches(good)
    assert not matches(bad)


def test_the_whole_text_must_match() -> None:
    matches = matcher("[a-z]+")
    assert matches is not None
    assert not matches("abc\n")
    assert not matches("1abc")


def test_repeats_beyond_what_re2_allows() -> None:
    assert translate(".{1,2000}") == "(?:.{1,1000}.{0,1000})"
    matches = matcher(".{1,2000}")
    assert matches is not None
    assert matches("a" * 2000)
    assert not matches("a" * 2001)
