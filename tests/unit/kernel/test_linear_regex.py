"""Regular expressions of others: what they match, and what is refused."""

from __future__ import annotations

import time

import pytest

from roadstead.kernel.linear_regex import InvalidRegex, compile_linear

MEMORY = 1024 * 1024


def test_the_whole_text_is_matched():
    found = compile_linear("a+", memory=MEMORY)
    assert found.fullmatch("aaa")
    assert found.fullmatch("aab") is None


@pytest.mark.parametrize("text", ["(", "a**", "(?=a)b", r"(a)\1", "x{1001}"])
def test_what_is_no_regular_expression_is_refused(text: str):
    with pytest.raises(InvalidRegex):
        compile_linear(text, memory=MEMORY)


def test_what_needs_more_memory_than_it_may_have_is_refused():
    text = "((x{100}){10}){10}"
    compile_linear("x{100}", memory=MEMORY)
    with pytest.raises(InvalidRegex):
        compile_linear(text, memory=64 * 1024)


def test_a_text_that_makes_others_go_back_again_and_again_takes_no_time():
    found = compile_linear("(a|a)*(a|a)*b", memory=MEMORY)
    began = time.monotonic()
    assert found.fullmatch("a" * 20_000) is None
    assert time.monotonic() - began < 5
