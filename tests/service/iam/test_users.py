"""Users and their access keys."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.server import Account, Keys, refusal


def failure(call: Any, **parameters: Any) -> tuple[str, int, str]:
    refused = refusal(call, **parameters)
    return refused.code, refused.status, refused.message


def test_a_user_is_made_read_and_deleted(admin: Account):
    made = admin.iam.create_user(UserName="bob", Path="/team/")["User"]
    assert made["Arn"] == f"arn:aws:iam::{admin.id}:user/team/bob"
    assert made["UserId"].startswith("AIDA")
    assert admin.iam.get_user(UserName="bob")["User"] == made
    admin.iam.delete_user(UserName="bob")
    assert failure(admin.iam.get_user, UserName="bob") == (
        "NoSuchEntity",
        404,
        "The user with name bob cannot be found.",
    )


def test_without_a_name_it_is_the_caller(admin: Account):
    assert admin.iam.get_user()["User"]["UserName"] == "admin"
    keys = admin.iam.list_access_keys()["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in keys] == [admin.keys.key]


def test_names_are_unique_within_an_account_only(admin: Account):
    admin.iam.create_user(UserName="bob")
    code, status, message = failure(admin.iam.create_user, UserName="bob")
    assert (code, status, message) == ("EntityAlreadyExists", 409, "User with name bob already exists.")
    other = Account(admin.server, admin.server.new_account())
    other.iam.create_user(UserName="bob")
    assert [user["UserName"] for user in other.iam.list_users()["Users"]] == ["admin", "bob"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a/b", "ü"])
def test_names_that_are_not_valid(sqlite_admin: Account, name: str):
    with pytest.raises(Exception, match=r"(?i)valid"):
        sqlite_admin.iam.create_user(UserName=name)


def test_users_come_in_pages(admin: Account):
    names = [f"u{n:02}" for n in range(7)]
    for name in names:
        admin.iam.create_user(UserName=name, Path="/many/" if name != "u03" else "/other/")
    first = admin.iam.list_users(MaxItems=3)
    assert first["IsTruncated"]
    assert [user["UserName"] for user in first["Users"]] == ["admin", "u00", "u01"]
    pages = admin.iam.get_paginator("list_users").paginate(PathPrefix="/many/", PaginationConfig={"PageSize": 2})
    assert [[user["UserName"] for user in page["Users"]] for page in pages] == [
        ["u00", "u01"],
        ["u02", "u04"],
        ["u05", "u06"],
    ]


def test_a_user_with_keys_or_policies_is_kept(admin: Account):
    keys = admin.user("bob", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    assert failure(admin.iam.delete_user, UserName="bob")[:2] == ("DeleteConflict", 409)
    admin.iam.delete_access_key(UserName="bob", AccessKeyId=keys.key)
    assert "policies" in failure(admin.iam.delete_user, UserName="bob")[2]
    admin.iam.delete_user_policy(UserName="bob", PolicyName="p")
    admin.iam.delete_user(UserName="bob")


def test_a_key_works_until_it_is_inactive_or_deleted(admin: Account):
    keys = admin.user("bob")
    sts = admin.server.client("sts", keys)
    sts.get_caller_identity()
    admin.iam.update_access_key(UserName="bob", AccessKeyId=keys.key, Status="Inactive")
    assert failure(sts.get_caller_identity)[:2] == ("InvalidClientTokenId", 403)
    assert admin.iam.list_access_keys(UserName="bob")["AccessKeyMetadata"][0]["Status"] == "Inactive"
    admin.iam.update_access_key(UserName="bob", AccessKeyId=keys.key, Status="Active")
    sts.get_caller_identity()
    admin.iam.delete_access_key(UserName="bob", AccessKeyId=keys.key)
    assert failure(sts.get_caller_identity)[:2] == ("InvalidClientTokenId", 403)


def test_a_user_has_two_keys_at_most(admin: Account):
    admin.user("bob")
    second = admin.iam.create_access_key(UserName="bob")["AccessKey"]
    assert len(second["SecretAccessKey"]) == 40
    code, status, message = failure(admin.iam.create_access_key, UserName="bob")
    assert (code, status, message) == ("LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2")


def test_a_secret_is_shown_once(admin: Account):
    keys = admin.user("bob")
    listed = admin.iam.list_access_keys(UserName="bob")["AccessKeyMetadata"][0]
    assert set(listed) == {"UserName", "AccessKeyId", "Status", "CreateDate"}
    assert listed["AccessKeyId"] == keys.key


@pytest.mark.parametrize("call", ["update_access_key", "delete_access_key"])
def test_keys_that_are_not_there_or_anothers(admin: Account, call: str):
    other = admin.user("eve")
    admin.iam.create_user(UserName="bob")
    more = {"Status": "Inactive"} if call == "update_access_key" else {}
    for key in ("AKIANOTTHEREATALL000", other.key):
        code, status, _ = failure(getattr(admin.iam, call), UserName="bob", AccessKeyId=key, **more)
        assert (code, status) == ("NoSuchEntity", 404)
    assert Keys(admin.id, other.key, other.secret) == other
    admin.server.client("sts", other).get_caller_identity()


def test_what_needs_an_entity_says_when_there_is_none(sqlite_admin: Account):
    iam = sqlite_admin.iam
    for call in (iam.delete_user, iam.create_access_key, iam.list_access_keys, iam.list_user_policies):
        assert failure(call, UserName="nobody")[:2] == ("NoSuchEntity", 404)
