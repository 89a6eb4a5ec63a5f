"""Operations whose IAM action is not called as they are; of S3 see `s3.actions`.

Source: the Service Authorization Reference, https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OTHER_NAMES = {
    "dynamodb:TransactGetItems": "dynamodb:GetItem",
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeWithResponseStream": "lambda:InvokeFunction",
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}

_WRITES = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}


def parts_of(action: str, params: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The actions that a request needs, each with the parameters that name its resources.

    `action` is the operation under its service's prefix, `sqs:SendMessageBatch`.
    """
    if action == "dynamodb:TransactWriteItems":
        return _transaction(params.get("TransactItems") or ())
    return [(OTHER_NAMES.get(action, action), params)]


def _transaction(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(_WRITES[kind], write) for item in items for kind, write in item.items() if kind in _WRITES]
