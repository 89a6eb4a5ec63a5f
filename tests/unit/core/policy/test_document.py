from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.policy.policies import allow, document

from roadstead.core.policy.compile import CompiledPolicy
from roadstead.core.policy.document import MAX_CHARACTERS, MalformedPolicy, PolicyShape, context_keys, parse_policy
from roadstead.core.policy.elements import Condition, Effect, NamedPrincipal, PrincipalType

ALLOW = allow("s3:GetObject", "arn:aws:s3:::b")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "line 1 column 1"),
        ('{"Version":"2012-10-17",\n "Statement":[}', "line 2 column 15"),
        ("[]", ""),
        ("[" * 100_000, ""),
        ("9" * 100_000, ""),
        ('{"Version":"2012-10-17","Statement":NaN}', ""),
        ('{"Version":"2020-01-01","Statement":[]}', "Version"),
        ('{"Version":"2012-10-17","Statement":[]}', "Statement"),
        ('{"Version":"2012-10-17"}', "Statement"),
        ('{"Version":"2012-10-17","Statement":[],"Extra":1}', "Extra"),
        ('{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}', "Version"),
        (document({**ALLOW, "Effect": "Maybe"}), "Statement[0].Effect"),
        (document(ALLOW, ALLOW, {**ALLOW, "Extra": 1}), "Statement[2].Extra"),
        (document({"Effect": "Allow", "Resource": "*"}), "Statement[0]"),
        (document({"Effect": "Allow", "Action": "*"}), "Statement[0]"),
        (document({**ALLOW, "NotAction": "s3:*"}), "Statement[0]"),
        (document({**ALLOW, "NotResource": "*"}), "Statement[0]"),
        (document({**ALLOW, "Principal": "*"}), "Statement[0]"),
        (document(allow([])), "Statement[0].Action"),
        (document({**ALLOW, "Action": 1}), "Statement[0].Action"),
        (document({**ALLOW, "Action": ["s3:*", "nothing"]}), "Statement[0].Action[1]"),
        (document({**ALLOW, "Action": "s3:"}), "Statement[0].Action"),
        (document({**ALLOW, "Action": "*:Get*"}), "Statement[0].Action"),
        (document({**ALLOW, "Action": "s3:Get:Object"}), "Statement[0].Action"),
        (document(allow("*", "bucket")), "Statement[0].Resource"),
        (document(allow("*", ["*", "arn:aws:s3"])), "Statement[0].Resource[1]"),
        (document(allow("*", "arn:aws:*:::x")), "Statement[0].Resource"),
        (document(allow("*", "arn:aws:s3:::${aws:username")), "Statement[0].Resource"),
        (document(allow("*", "arn:aws:iam::${aws:PrincipalAccount}:user/x")), "Statement[0].Resource"),
        (document({**ALLOW, "Sid": "not one"}), "Statement[0].Sid"),
        (document({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}), "Statement[1].Sid"),
        (document({**ALLOW, "Condition": []}), "Statement[0].Condition"),
        (
            document(ALLOW, ALLOW, {**ALLOW, "Condition": {"StringEqual": {"a:b": "c"}}}),
            "Statement[2].Condition.StringEqual",
        ),
        (document({**ALLOW, "Condition": {"StringEquals": []}}), "Statement[0].Condition.StringEquals"),
        (document({**ALLOW, "Condition": {"StringEquals": {"b": "c"}}}), "Statement[0].Condition.StringEquals.b"),
        (document({**ALLOW, "Condition": {"StringEquals": {"a:b": []}}}), "Statement[0].Condition.StringEquals.a:b"),
        (
            document({**ALLOW, "Condition": {"StringEquals": {"a:b": ["c", None]}}}),
            "Statement[0].Condition.StringEquals.a:b[1]",
        ),
        (document({**ALLOW, "Condition": {"NumericEquals": {"a:b": "c"}}}), "Statement[0].Condition.NumericEquals.a:b"),
        (document({**ALLOW, "Condition": {"StringLike": {"a:b": "${"}}}), "Statement[0].Condition.StringLike.a:b"),
        ('{"Version":"2012-10-17","Statement":"x"}', "Statement"),
    ],
)
def test_malformed_documents_say_where(text: str, path: str) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        parse_policy(text)
    assert caught.value.path == path
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "statement", "message"),
    [
        (PolicyShape.TRUST, {"Effect": "Allow", "Action": "sts:AssumeRole"}, "Missing required field Principal"),
        (
            PolicyShape.TRUST,
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*"},
            "Has prohibited field Resource",
        ),
        (
            PolicyShape.TRUST,
            {"Effect": "Deny", "Action": "sts:AssumeRole", "NotPrincipal": "*"},
            "Has prohibited field NotPrincipal",
        ),
        (PolicyShape.RESOURCE, {"Effect": "Allow", "Action": "ecr:*"}, "Missing required field Principal"),
        (PolicyShape.RESOURCE, {"Effect": "Allow", "Action": "ecr:*", "Principal": "ann"}, "An object is expected"),
        (PolicyShape.RESOURCE, {"Effect": "Allow", "Action": "ecr:*", "Principal": {}}, "Invalid principal in policy"),
        (
            PolicyShape.RESOURCE,
            {"Effect": "Allow", "Action": "ecr:*", "Principal": {"User": "*"}},
            'Invalid principal in policy: "User"',
        ),
        (
            PolicyShape.RESOURCE,
            {"Effect": "Allow", "Action": "ecr:*", "Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}},
            'Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/*" (Statement[0].Principal.AWS)',
        ),
        (
            PolicyShape.RESOURCE,
            {"Effect": "Allow", "Action": "ecr:*", "Principal": {"Service": "*"}},
            'Invalid principal in policy: "Service":"*"',
        ),
    ],
)
def test_shapes(shape: PolicyShape, statement: dict[str, object], message: str) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        parse_policy(document(statement), shape=shape)
    assert message in str(caught.value)


def test_what_a_document_holds() -> None:
    text = json.dumps(
        {
            "Version": "2012-10-17",
            "Id": "key",
            "Statement": {
                "Sid": "Example1",
                "Effect": "Deny",
                "Principal": {"AWS": ["111122223333", "AIDAJQABLZS4A3QDU576Q"], "Service": "ecs.amazonaws.com"},
                "NotAction": "s3:Get*",
                "NotResource": "arn:aws:s3:::b/*",
                "Condition": {"NumericLessThan": {"s3:max-keys": [10, 2.5]}, "Bool": {"aws:SecureTransport": False}},
            },
        }
    )
    statement = parse_policy(text, shape=PolicyShape.RESOURCE).statements[0]
    assert statement.effect is Effect.DENY
    assert statement.sid == "Example1"
    assert (statement.actions, statement.not_actions) == ((), ("s3:Get*",))
    assert (statement.resources, statement.not_resources) == ((), ("arn:aws:s3:::b/*",))
    assert statement.principals == (
        NamedPrincipal(PrincipalType.AWS, "111122223333"),
        NamedPrincipal(PrincipalType.AWS, "AIDAJQABLZS4A3QDU576Q"),
        NamedPrincipal(PrincipalType.SERVICE, "ecs.amazonaws.com"),
    )
    assert statement.conditions == (
        Condition("NumericLessThan", "s3:max-keys", ("10", "2.5")),
        Condition("Bool", "aws:SecureTransport", ("false",)),
    )


def test_a_repository_policy_names_no_resource() -> None:
    parse_policy(document({"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}), shape=PolicyShape.RESOURCE)


def test_the_version_defaults_to_the_first() -> None:
    assert not parse_policy(json.dumps({"Statement": [ALLOW]})).has_variables
    parse_policy(json.dumps({"Statement": [allow("*", "arn:aws:s3:::${")]}))


def test_context_keys_are_those_of_conditions_and_variables() -> None:
    text = document(
        allow(
            "*",
            "arn:aws:s3:::${aws:PrincipalTag/Team, 'x'}/*",
            Condition={"StringLike": {"s3:prefix": "${AWS:username}/*", "AWS:PrincipalTag/team": "x"}},
        )
    )
    assert context_keys(parse_policy(text)) == ("s3:prefix", "AWS:PrincipalTag/team", "AWS:username")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 4_000_000,
        '{"a":' * 800_000,
        '{"Version":"2012-10-17","Statement":[' + "{}," * 1_000_000 + "{}]}",
        "[" * (MAX_CHARACTERS - 1),
    ],
)
def test_huge_documents_cost_little(text: str) -> None:
    started = time.process_time()
    with pytest.raises(MalformedPolicy):
        parse_policy(text)
    assert time.process_time() - started < 2


def test_the_largest_documents_cost_bounded_time() -> None:
    texts = [
        document(allow(["s3:" + "*a?" * 40] * 900)),
        document(allow("*", ["arn:aws:s3:::" + "${aws:username}" * 60] * 120)),
        document(allow(Condition={"StringLike": {"a:b": ["*?" * 500] * 100}})),
        document(allow(Condition={"StringEquals": {"a:b": "${" * 50_000}})),
    ]
    started = time.process_time()
    for text in texts:
        try:
            CompiledPolicy(parse_policy(text))
        except MalformedPolicy:
            continue
    assert time.process_time() - started < 5


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["*", "Allow", "s3:*", "arn:aws:s3:::x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Version",
                    "Statement",
                    "Effect",
                    "Action",
                    "Resource",
                    "NotAction",
                    "Condition",
                    "Principal",
                    "AWS",
                    "StringLike",
                    "a:b",
                    "Null",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from(PolicyShape))
def test_any_json_is_read_or_refused(value: object, shape: PolicyShape) -> None:
    wrapped = {"Version": "2012-10-17", "Statement": value}
    for text in (json.dumps(value), json.dumps(wrapped)):
        try:
            CompiledPolicy(parse_policy(text, shape=shape))
        except MalformedPolicy:
            continue
