from __future__ import annotations

from collections.abc import Sequence

import pytest

from roadstead.core.policy.conditions.compiled import UnknownOperator, compile_condition
from roadstead.core.policy.conditions.operator import BadValue
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.elements import Condition

KEY = "x:Key"
ABSENT = None
Actual = str | Sequence[str] | None

NEGATED = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
    "IpAddress": "NotIpAddress",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}


def holds(operator: str, values: str | Sequence[str], actual: Actual) -> bool:
    wanted = (values,) if isinstance(values, str) else tuple(values)
    context = RequestContext({"aws:username": "ann", **({} if actual is None else {KEY: actual})})
    return compile_condition(Condition(operator, KEY, wanted), variables=True)(context)


@pytest.mark.parametrize(
    ("operator", "value", "actual", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a${*}", "a*", True),
        ("StringEquals", "${aws:username}", "ann", True),
        ("StringEquals", "${aws:nobody}", "ann", False),
        ("StringEquals", "", "", True),
        ("StringEqualsIgnoreCase", "aB", "Ab", True),
        ("StringEqualsIgnoreCase", "${aws:username}", "ANN", True),
        ("StringEqualsIgnoreCase", "a", "b", False),
        ("StringLike", "a*", "abc", True),
        ("StringLike", "a?c", "abc", True),
        ("StringLike", "A*", "abc", False),
        ("StringLike", "home/${aws:username}/*", "home/ann/x", True),
        ("StringLike", "home/${aws:username}/*", "home/bob/x", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", "10", "11", False),
        ("NumericEquals", "10", "ten", False),
        ("NumericEquals", "0.1", "1e-1", True),
        ("NumericLessThan", "10", "9.99", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericLessThanEquals", "10", "10.5", False),
        ("NumericGreaterThan", "10", "100", True),
        ("NumericGreaterThan", "10", "9", False),
        ("NumericGreaterThan", "10", "nan", False),
        ("NumericGreaterThanEquals", "-3", "-3", True),
        ("NumericGreaterThanEquals", "-3", "-4", False),
        ("DateEquals", "2020-01-01T00:00:01Z", "2020-01-01T00:00:01Z", True),
        ("DateEquals", "2020-01-01T00:00:01Z", "1577836801", True),
        ("DateEquals", "1577836801", "2020-01-01T01:00:01+01:00", True),
        ("DateEquals", "2020-01-01", "2020-01-01T00:00:00Z", True),
        ("DateEquals", "2020-01", "2020-01-01T00:00Z", True),
        ("DateEquals", "2020", "2020-01-01T00:00:00.000Z", True),
        ("DateEquals", "2020", "2020-13-01", False),
        ("DateLessThan", "2020-06-30T23:59:59Z", "2020-06-30T23:59:58Z", True),
        ("DateLessThan", "2020-06-30T23:59:59Z", "2020-06-30T23:59:59Z", False),
        ("DateLessThanEquals", "2020-06-30T23:59:59Z", "2020-06-30T23:59:59Z", True),
        ("DateGreaterThan", "2020-04-01T00:00:00Z", "2020-04-01T00:00:00.5Z", True),
        ("DateGreaterThan", "2020-04-01T00:00:00Z", "yesterday", False),
        ("DateGreaterThanEquals", "2020-04-01T00:00:00Z", "2020-04-01T00:00:00Z", True),
        ("DateGreaterThanEquals", "2020-04-01T00:00:00Z", "2020-03-31T23:59:59-00:00", False),
        ("Bool", "true", "true", True),
        ("Bool", "true", "TRUE", True),
        ("Bool", "False", "false", True),
        ("Bool", "true", "false", False),
        ("Bool", "true", "yes", False),
        ("BinaryEquals", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", False),
        ("BinaryEquals", "QmluYXJ5", "not base64", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.77", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.1", False),
        ("IpAddress", "203.0.113.5", "203.0.113.5", True),
        ("IpAddress", "203.0.113.5/24", "203.0.113.9", True),
        ("IpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5678::9", True),
        ("IpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5679::9", False),
        ("IpAddress", "2001:db8::1", "2001:db8:0::1", True),
        ("IpAddress", "203.0.113.0/24", "::ffff:203.0.113.9", True),
        ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
        ("IpAddress", "203.0.113.0/24", "no address", False),
        ("ArnEquals", "arn:aws:sns:*:123456789012:T-*", "arn:aws:sns:us-east-1:123456789012:T-1", True),
        ("ArnLike", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/ann", True),
        ("ArnLike", "arn:aws:iam::*:user/*", "arn:aws:iam::1:role/ann", False),
        ("ArnLike", "arn:aws:iam::*:user/*", "ann", False),
    ],
)
def test_one_value(operator: str, value: str, actual: str, expected: bool) -> None:
    assert holds(operator, value, actual) is expected
    if operator in NEGATED:
        assert holds(NEGATED[operator], value, actual) is not expected


POSITIVE = [
    ("StringEquals", "a"),
    ("StringEqualsIgnoreCase", "a"),
    ("StringLike", "a"),
    ("NumericEquals", "1"),
    ("NumericLessThan", "1"),
    ("DateEquals", "2020"),
    ("DateGreaterThan", "2020"),
    ("Bool", "true"),
    ("BinaryEquals", "QQ=="),
    ("IpAddress", "10.0.0.0/8"),
    ("ArnEquals", "arn:aws:iam::1:user/a"),
    ("ArnLike", "arn:aws:iam::1:user/a"),
]


@pytest.mark.parametrize(("operator", "value"), POSITIVE)
def test_a_key_that_is_absent(operator: str, value: str) -> None:
    assert not holds(operator, value, ABSENT)
    assert holds(f"{operator}IfExists", value, ABSENT)
    assert not holds(f"ForAnyValue:{operator}", value, ABSENT)
    assert holds(f"ForAllValues:{operator}", value, ABSENT)
    if operator in NEGATED:
        assert holds(NEGATED[operator], value, ABSENT)
        assert holds(f"{NEGATED[operator]}IfExists", value, ABSENT)
        assert not holds(f"ForAnyValue:{NEGATED[operator]}", value, ABSENT)
        assert holds(f"ForAllValues:{NEGATED[operator]}", value, ABSENT)


def test_several_values_of_the_policy() -> None:
    assert holds("StringEquals", ["a", "b"], "b")
    assert not holds("StringEquals", ["a", "b"], "c")
    assert holds("StringNotEquals", ["a", "b"], "c")
    assert not holds("StringNotEquals", ["a", "b"], "b")
    assert not holds("NotIpAddress", ["10.0.0.0/8", "192.168.0.0/16"], "192.168.1.1")


@pytest.mark.parametrize(
    ("operator", "values", "actual", "expected"),
    [
        ("ForAllValues:StringEquals", ["ID", "Message", "Tags"], ["Message", "Tags"], True),
        ("ForAllValues:StringEquals", ["ID", "Message", "Tags"], ["Message", "UserName"], False),
        ("ForAllValues:StringEquals", ["ID"], [], True),
        ("ForAllValues:StringEquals", ["ID"], [""], True),
        ("ForAllValues:StringLikeIfExists", ["I*"], ["ID"], True),
        ("ForAllValues:StringNotEquals", ["ID"], ["Message", "Tags"], True),
        ("ForAllValues:StringNotEquals", ["ID"], ["Message", "ID"], False),
        ("ForAnyValue:StringEquals", ["ID", "PostDateTime"], ["PostDateTime", "Message"], True),
        ("ForAnyValue:StringEquals", ["ID", "PostDateTime"], ["UserName"], False),
        ("ForAnyValue:StringEquals", ["ID"], [], False),
        ("ForAnyValue:StringEquals", [""], [""], False),
        ("ForAnyValue:StringNotEquals", ["ID"], ["ID", "Message"], True),
        ("ForAnyValue:StringNotEquals", ["ID"], ["ID"], False),
        ("forallvalues:stringequals", ["ID"], ["ID"], True),
    ],
)
def test_sets(operator: str, values: list[str], actual: list[str], expected: bool) -> None:
    assert holds(operator, values, actual) is expected


def test_several_values_of_a_request_without_a_set_operator() -> None:
    assert holds("StringEquals", "a", ["a", "b"])
    assert not holds("StringNotEquals", "a", ["a", "b"])


@pytest.mark.parametrize(
    ("value", "actual", "expected"),
    [
        ("true", ABSENT, True),
        ("true", "x", False),
        ("false", "x", True),
        ("false", ABSENT, False),
        ("true", [], True),
        ("TRUE", ABSENT, True),
    ],
)
def test_null(value: str, actual: Actual, expected: bool) -> None:
    assert holds("Null", value, actual) is expected


@pytest.mark.parametrize(
    "name",
    [
        "StringEqual",
        "",
        "IfExists",
        "NullIfExists",
        "ForSomeValues:StringEquals",
        "ForAllValues:",
        "ForAllValues:ForAnyValue:StringEquals",
    ],
)
def test_unknown_operators(name: str) -> None:
    with pytest.raises(UnknownOperator):
        holds(name, "a", "a")


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("NumericEquals", "ten"),
        ("NumericEquals", "inf"),
        ("DateEquals", "1st of May"),
        ("DateEquals", "2020-02-30"),
        ("Bool", "yes"),
        ("Null", "maybe"),
        ("BinaryEquals", "%"),
        ("IpAddress", "10.0.0.0/33"),
        ("IpAddress", "10.0.0.*"),
    ],
)
def test_values_that_an_operator_can_not_compare_with(operator: str, value: str) -> None:
    with pytest.raises(BadValue):
        holds(operator, value, "a")
