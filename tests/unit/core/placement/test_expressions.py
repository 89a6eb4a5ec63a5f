from __future__ import annotations

from dataclasses import replace

import pytest

from roadstead.core.placement.expressions import InvalidExpression, matches, parse
from roadstead.core.placement.model import Candidate

INSTANCE = Candidate(
    arn="arn",
    id="i",
    active=True,
    agent_connected=True,
    cpu_free=0,
    memory_free=0,
    ports_used=frozenset(),
    attributes={"ecs.instance-type": "t2.small", "ecs.availability-zone": "us-east-1a", "n": "3", "flag": None},
    ec2_instance_id="i-1",
)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("attribute:ecs.instance-type == t2.small", True),
        ("attribute:ecs.instance-type != t2.small", False),
        ("attribute:ecs.instance-type =~ t2.*", True),
        ("attribute:ecs.instance-type !~ t2.*", False),
        ("(attribute:ecs.instance-type =~ t[23].(small|large)) and attribute:flag exists", True),
        ("attribute:ecs.instance-type matches t3.*", False),
        ("attribute:ecs.availability-zone in [us-east-1a, us-east-1b]", True),
        ("attribute:ecs.availability-zone not in [us-east-1a]", False),
        ("attribute:flag exists", True),
        ("attribute:none exists", False),
        ("attribute:none !exists", True),
        ("not (attribute:n > 2)", False),
        ("attribute:n >= 3 and attribute:n < 4", True),
        ("attribute:n > 5 or ec2InstanceId == i-1", True),
        ("attribute:n > 5 || attribute:n == 3 && attribute:flag exists", True),
        ("attribute:flag > 1", False),
    ],
)
def test_matches(expression: str, result: bool) -> None:
    assert matches(expression, INSTANCE) is result


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "attribute:x",
        "attribute:x ==",
        "(attribute:x == 1",
        "attribute:x == 1 attribute:y == 2",
        "attribute:x in 1",
        "a ~~ b",
        "runningTasksCount > 1",
        "agentVersion in [1]",
        "attribute:x =~ [",
        "attribute:x =~ " + ".{1,999}" * 15,
        "attribute:x =~",
        "attribute:x =~ " + "a" * 129,
        "(" * 1000 + "attribute:x exists" + ")" * 900,
        "!" * 1000 + "attribute:x exists",
        "attribute:x exists" + " or attribute:x exists" * 100,
    ],
)
def test_refuses(expression: str) -> None:
    with pytest.raises(InvalidExpression):
        parse(expression)


@pytest.mark.parametrize("pattern", ["t2.*", "t[23].(small|large)", "us-east-1[ab]"])
def test_regexes_that_people_write(pattern: str) -> None:
    parse(f"attribute:x =~ {pattern}")


@pytest.mark.parametrize("pattern", ["(a+)+b", "a*" * 60 + "b", "(a|a)*b"])
def test_no_regex_takes_long(pattern: str) -> None:
    instance = replace(INSTANCE, attributes={"x": "a" * 128})
    assert not matches(f"attribute:x =~ {pattern}", instance)


def test_nested_as_deeply_as_people_write() -> None:
    assert matches("(" * 40 + "not not attribute:flag exists" + ")" * 40, INSTANCE)
