"""The ARNs that parameters name."""

from __future__ import annotations

import pytest

from roadstead.core.forwarding.resources import Leaf, Owner, named_arns

OWNER = Owner("111122223333", "eu-west-1")
QUEUE = "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}"
TOPIC = "arn:${Partition}:sns:${Region}:${Account}:${TopicName}"
TABLE = "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}"
INDEX = "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}/index/${IndexName}"
SECRET = "arn:${Partition}:secretsmanager:${Region}:${Account}:secret:${SecretId}"
OTHERS = "arn:aws:dynamodb:eu-west-1:999999999999:table/t"


@pytest.mark.parametrize(
    ("templates", "leaves", "expected"),
    [
        ([QUEUE], [("QueueName", "q")], ["arn:aws:sqs:eu-west-1:111122223333:q"]),
        ([QUEUE], [("QueueUrl", "http://h:4566/1/q")], ["arn:aws:sqs:eu-west-1:111122223333:q"]),
        ([TOPIC], [("Name", "t")], ["arn:aws:sns:eu-west-1:111122223333:t"]),
        ([TOPIC], [("TopicArn", "arn:aws:sns:us-east-1:1:t")], ["arn:aws:sns:us-east-1:1:t"]),
        ([TABLE], [("TableName", "t")], ["arn:aws:dynamodb:eu-west-1:111122223333:table/t"]),
        ([TABLE], [("TableName", OTHERS)], [OTHERS]),
        ([TABLE], [("TableArn", "t")], ["arn:aws:dynamodb:eu-west-1:111122223333:table/t"]),
        (
            [TABLE, INDEX],
            [("TableName", "t"), ("IndexName", "i")],
            ["arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/i"],
        ),
        ([TABLE, INDEX], [("TableName", "t")], ["arn:aws:dynamodb:eu-west-1:111122223333:table/t"]),
        (
            [TABLE],
            [("TableName", "a"), ("TableName", "b"), ("TableName", "a")],
            [f"arn:aws:dynamodb:eu-west-1:111122223333:table/{name}" for name in "ab"],
        ),
        ([SECRET], [("SecretId", "s")], ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:s"]),
        ([TABLE], [("S", OTHERS), ("TableName", "t")], ["arn:aws:dynamodb:eu-west-1:111122223333:table/t"]),
        ([TABLE], [("Limit", "5")], ["*"]),
        ([], [("Name", "x")], ["*"]),
    ],
)
def test_resources(templates: list[str], leaves: list[tuple[str, str]], expected: list[str]) -> None:
    given = [Leaf(name, text, top=True) for name, text in leaves]
    assert list(named_arns(templates, given, OWNER)) == expected
