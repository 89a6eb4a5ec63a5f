from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.variables import BadVariable, compile_text, variables_of

CONTEXT = RequestContext(
    {"aws:username": "ann", "aws:PrincipalTag/Team": "yellow", "aws:TagKeys": ["a", "b"], "x:star": "*", "x:empty": ""}
)


@pytest.mark.parametrize(
    ("template", "text", "fits"),
    [
        ("home/${aws:username}/*", "home/ann/a", True),
        ("home/${AWS:UserName}/*", "home/ann/a", True),
        ("home/${ aws:username }/*", "home/ann/a", True),
        ("home/${aws:username}/*", "home/bob/a", False),
        ("${aws:PrincipalTag/team}", "yellow", True),
        ("b-${aws:PrincipalTag/team, 'company-wide'}", "b-yellow", True),
        ("b-${aws:PrincipalTag/none, 'company-wide'}", "b-company-wide", True),
        ("b-${aws:PrincipalTag/none,'with space, and }'}", "b-with space, and }", True),
        ("b-${aws:PrincipalTag/none, ''}", "b-", True),
        ("b-${aws:PrincipalTag/none}", "b-", False),
        ("b-${aws:PrincipalTag/none}", "b-${aws:PrincipalTag/none}", False),
        ("${x:empty}", "", True),
        # a multi-valued key is no variable
        ("${aws:TagKeys}", "a", False),
        # what a variable or a default stands for is no wildcard
        ("${x:star}", "anything", False),
        ("${x:star}", "*", True),
        ("${x:none, '*'}", "anything", False),
        ("a${*}b", "a*b", True),
        ("a${*}b", "axb", False),
        ("a${?}*", "a?xyz", True),
        ("a${?}*", "abxyz", False),
        ("${$}{aws:username}", "${aws:username}", True),
    ],
)
def test_variables(template: str, text: str, fits: bool) -> None:
    assert compile_text(template, variables=True, wildcards=True)(text, CONTEXT) is fits


def test_the_first_version_of_the_language_has_no_variables() -> None:
    assert compile_text("${aws:username}", variables=False, wildcards=True)("${aws:username}", CONTEXT)
    assert not compile_text("${aws:username}", variables=False, wildcards=True)("ann", CONTEXT)


@pytest.mark.parametrize("template", ["${", "${}", "${aws:username", "x${a ${b}}", "${a, b}", "${a, 'b}", "${*a}"])
def test_bad_variables(template: str) -> None:
    with pytest.raises(BadVariable):
        compile_text(template, variables=True, wildcards=True)


def test_the_names_of_variables() -> None:
    assert list(variables_of("a/${aws:username}/${*}/${aws:PrincipalTag/Team, 'x'}")) == [
        "aws:username",
        "aws:PrincipalTag/Team",
    ]


@given(st.text(max_size=20), st.booleans())
def test_text_without_dollar_is_itself(text: str, fold: bool) -> None:
    if "$" in text:
        return
    assert compile_text(text, variables=True, wildcards=False, fold=fold)(text, CONTEXT)


@given(st.text(alphabet="${}a:,'* ", max_size=200))
def test_any_template_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadVariable):
        compile_text(text, variables=True, wildcards=True)("a", CONTEXT)
