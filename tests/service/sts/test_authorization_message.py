"""What a denied caller is given, and what somebody who may decode it reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.server import Account, Keys, refusal

MARK = "Encoded authorization failure message: "


def encoded(call: Callable[..., Any], **parameters: Any) -> str:
    """The encoded message of a call that is denied."""
    return refusal(call, **parameters).message.partition(MARK)[2]


def decoded(account: Account, message: str) -> Any:
    """The document in a message."""
    return json.loads(account.sts.decode_authorization_message(EncodedMessage=message)["DecodedMessage"])


def client(account: Account, service: str, keys: Keys) -> Any:
    return account.server.client(service, keys)


def test_an_explicit_deny_names_its_statement(admin: Account) -> None:
    deny = {
        "Sid": "Never",
        "Effect": "Deny",
        "Action": "ec2:Describe*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    }
    keys = admin.user("bob", deny, {"Effect": "Allow", "Action": "*", "Resource": "*"})
    found = decoded(admin, encoded(client(admin, "ec2", keys).describe_vpcs))
    user_id = admin.iam.get_user(UserName="bob")["User"]["UserId"]
    assert (found["allowed"], found["explicitDeny"], found["failures"]) == (False, True, {"items": []})
    assert found["matchedStatements"] == {
        "items": [
            {
                "statementId": "Never",
                "effect": "DENY",
                "principals": {"items": [{"value": user_id}]},
                "principalGroups": {"items": []},
                "actions": {"items": [{"value": "ec2:Describe*"}]},
                "resources": {"items": [{"value": "*"}]},
                "conditions": {
                    "items": [{"key": "aws:RequestedRegion", "values": {"items": [{"value": "us-east-1"}]}}]
                },
            }
        ]
    }
    context = found["context"]
    assert context["principal"] == {"id": user_id, "name": "bob", "arn": f"arn:aws:iam::{admin.id}:user/bob"}
    assert (context["action"], context["resource"]) == ("ec2:DescribeVpcs", "*")
    conditions = {item["key"]: item["values"]["items"] for item in context["conditions"]["items"]}
    assert conditions["aws:RequestedRegion"] == [{"value": "us-east-1"}]
    assert conditions["aws:username"] == [{"value": "bob"}]


def test_an_implicit_deny_names_the_resource(admin: Account) -> None:
    keys = admin.user("bob")
    found = decoded(admin, encoded(client(admin, "ecr", keys).describe_images, repositoryName="web"))
    assert (found["allowed"], found["explicitDeny"], found["matchedStatements"]) == (False, False, {"items": []})
    assert found["context"]["resource"] == f"arn:aws:ecr:us-east-1:{admin.id}:repository/web"


def test_only_who_may_decode_reads_it(admin: Account) -> None:
    keys = admin.user("bob")
    message = encoded(client(admin, "ecr", keys).describe_repositories)
    refused = refusal(client(admin, "sts", keys).decode_authorization_message, EncodedMessage=message)
    assert (refused.code, refused.status) == ("AccessDenied", 403)
    assert "sts:DecodeAuthorizationMessage" in refused.message


def test_another_accounts_message_and_a_changed_one_are_not_valid(admin: Account) -> None:
    other = Account(admin.server, admin.server.new_account())
    message = encoded(client(admin, "ecr", admin.user("bob")).describe_repositories)
    for account, text in ((other, message), (admin, message[:-2]), (admin, "x")):
        refused = refusal(account.sts.decode_authorization_message, EncodedMessage=text)
        assert (refused.code, refused.status) == ("InvalidAuthorizationMessageException", 400)
