"""Tags of log groups, by both generations of operations, and as policies see them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.server import Account, refusal

EVERYTHING_ELSE = {"Effect": "Allow", "NotAction": ["logs:TagResource", "logs:TagLogGroup"], "Resource": "*"}


@pytest.fixture
def arn(admin: Account) -> str:
    admin.logs.create_log_group(logGroupName="/app", tags={"team": "web"})
    return f"arn:aws:logs:us-east-1:{admin.id}:log-group:/app"


def test_tags_are_added_replaced_listed_and_removed(admin: Account, arn: str):
    logs = admin.logs
    logs.tag_resource(resourceArn=arn, tags={"team": "data", "stage": "test"})
    expected = {"team": "data", "stage": "test"}
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == expected
    assert logs.list_tags_log_group(logGroupName="/app")["tags"] == expected
    logs.tag_log_group(logGroupName="/app", tags={"owner": "ann"})
    logs.untag_resource(resourceArn=arn, tagKeys=["team", "missing"])
    logs.untag_log_group(logGroupName="/app", tags=["stage"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"owner": "ann"}


def test_a_group_without_tags_has_an_empty_list(admin: Account):
    admin.logs.create_log_group(logGroupName="/plain")
    assert admin.logs.list_tags_log_group(logGroupName="/plain")["tags"] == {}


def test_fifty_tags_and_no_more(admin: Account, arn: str):
    admin.logs.tag_resource(resourceArn=arn, tags={f"k{n}": "" for n in range(49)})
    admin.logs.tag_resource(resourceArn=arn, tags={"team": "data", "k1": "again"})
    caught = refusal(admin.logs.tag_resource, resourceArn=arn, tags={"one": "more"})
    assert caught.code == "TooManyTagsException"
    assert refusal(admin.logs.tag_log_group, logGroupName="/app", tags={"one": "more"}).code == (
        "InvalidParameterException"
    )
    assert len(admin.logs.list_tags_for_resource(resourceArn=arn)["tags"]) == 50


def test_what_is_not_there(admin: Account, arn: str):
    other = Account(admin.server, admin.server.new_account())
    logs = admin.logs
    for missing in (f"{arn}x", arn.replace("log-group:/app", "destination:app"), arn.replace("us-east-1", "eu-west-1")):
        assert refusal(logs.list_tags_for_resource, resourceArn=missing).code == "ResourceNotFoundException", missing
        assert refusal(logs.tag_resource, resourceArn=missing, tags={"a": "b"}).code == "ResourceNotFoundException"
        assert refusal(logs.untag_resource, resourceArn=missing, tagKeys=["a"]).code == "ResourceNotFoundException"
    assert refusal(logs.list_tags_for_resource, resourceArn="app").code == "InvalidParameterException"
    assert refusal(logs.tag_resource, resourceArn=arn, tags={"aws:team": "b"}).code == "InvalidParameterException"
    for call, more in ((logs.list_tags_log_group, {}), (logs.tag_log_group, {"tags": {"a": "b"}})):
        assert refusal(call, logGroupName="/none", **more).code == "ResourceNotFoundException"
    assert refusal(other.logs.list_tags_for_resource, resourceArn=arn).code == "AccessDeniedException"
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "web"}


def test_a_group_is_read_by_those_whose_tag_it_has(admin: Account, arn: str):
    allow: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "logs:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "web"}},
    }
    reader = admin.server.client("logs", admin.user("reader", allow))
    assert reader.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "web"}
    assert reader.describe_log_streams(logGroupName="/app")["logStreams"] == []
    admin.logs.tag_resource(resourceArn=arn, tags={"team": "data"})
    assert refusal(reader.list_tags_for_resource, resourceArn=arn).code == "AccessDeniedException"
    assert refusal(reader.describe_log_streams, logGroupName="/app").code == "AccessDeniedException"


def test_policies_name_the_group_without_its_streams(admin: Account, arn: str):
    """As AWS documents it for the three operations that take an ARN; all others name it with `:*`."""
    keys = admin.user("tagger", {"Effect": "Allow", "Action": "logs:*", "Resource": arn})
    logs = admin.server.client("logs", keys)
    logs.tag_resource(resourceArn=arn, tags={"a": "b"})
    assert refusal(logs.tag_log_group, logGroupName="/app", tags={"a": "b"}).code == "AccessDeniedException"


@pytest.mark.parametrize("action", ["logs:TagResource", "logs:TagLogGroup"])
def test_who_makes_a_group_with_tags_may_tag(admin: Account, action: str):
    name = action.replace(":", "-")
    allow = {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:logs:*:{admin.id}:log-group:/made*"}
    without = admin.server.client("logs", admin.user(f"plain-{name}", EVERYTHING_ELSE))
    granted = admin.server.client("logs", admin.user(f"tags-{name}", EVERYTHING_ELSE, allow))
    without.create_log_group(logGroupName="/made/plain")
    caught = refusal(without.create_log_group, logGroupName="/made", tags={"team": "web"})
    assert caught.code == "AccessDeniedException"
    assert "not authorized to perform: logs:TagResource on resource" in caught.message
    granted.create_log_group(logGroupName="/made", tags={"team": "web"})
    assert granted.list_tags_log_group(logGroupName="/made")["tags"] == {"team": "web"}
