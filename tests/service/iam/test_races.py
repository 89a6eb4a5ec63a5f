"""What happens at once must come out as if it had happened one after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError
from tests.support.server import Account


def outcomes(calls: list[Callable[[], Any]]) -> list[str]:
    def outcome(call: Callable[[], Any]) -> str:
        try:
            call()
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "OK"

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(outcome, calls))


def test_one_of_several_spellings_of_a_name_is_made(admin: Account):
    iam = admin.iam
    names = ["bob", "Bob", "BOB", "boB"]
    found = outcomes([lambda name=name: iam.create_user(UserName=name) for name in names])
    assert found == ["EntityAlreadyExists"] * 3 + ["OK"]
    assert len(iam.list_users()["Users"]) == 2


def test_a_group_that_gets_a_member_is_not_deleted(admin: Account):
    iam = admin.iam
    iam.create_user(UserName="bob")
    iam.create_group(GroupName="g")
    found = outcomes(
        [
            lambda: iam.add_user_to_group(GroupName="g", UserName="bob"),
            lambda: iam.delete_group(GroupName="g"),
        ]
    )
    assert found in (["DeleteConflict", "OK"], ["NoSuchEntity", "OK"])
    left = [group["GroupName"] for group in iam.list_groups()["Groups"]]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="bob")["Groups"]] == left


def test_passwords_that_are_made_at_once(admin: Account):
    iam = admin.iam
    iam.create_user(UserName="bob")
    call = lambda: iam.create_login_profile(UserName="bob", Password="Correct-Horse-7")  # noqa: E731
    assert outcomes([call, call, call]) == ["EntityAlreadyExists", "EntityAlreadyExists", "OK"]
