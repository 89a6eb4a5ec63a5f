"""GetCallerIdentity, by every kind of caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.server import Account, Keys, ServerThread, refusal

from roadstead.access.sessions import issue_role_session
from roadstead.kernel.arn import Arn


def session(server: ServerThread, account: str, lifetime: timedelta, role_id: str = "AROAEXAMPLE") -> Keys:
    now = datetime.now(UTC)
    issued = issue_role_session(
        server.sealer(),
        role=Arn(service="iam", region="", account=account, resource="role/worker"),
        role_id=role_id,
        session_name="s1",
        now=now,
        expires=now + lifetime,
    )
    return Keys(account, issued.access_key_id, issued.secret_access_key, issued.session_token)


def test_a_user_is_told_who_it_is(admin: Account):
    answer = admin.sts.get_caller_identity()
    assert answer["Account"] == admin.id
    assert answer["Arn"] == f"arn:aws:iam::{admin.id}:user/admin"
    assert answer["UserId"].startswith("AIDA")
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_a_user_without_any_policy_is_told_too(admin: Account):
    keys = admin.user("nobody")
    assert admin.server.client("sts", keys).get_caller_identity()["Arn"].endswith(":user/nobody")


def test_a_session_is_the_roles(admin: Account):
    keys = session(admin.server, admin.id, timedelta(hours=1))
    answer = admin.server.client("sts", keys).get_caller_identity()
    assert answer["Arn"] == f"arn:aws:sts::{admin.id}:assumed-role/worker/s1"
    assert answer["UserId"] == "AROAEXAMPLE:s1"


def test_a_session_may_do_what_its_role_may(admin: Account):
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"x"},"Action":"sts:AssumeRole"}]}'
    role = admin.iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust)["Role"]
    logs = admin.server.client("logs", session(admin.server, admin.id, timedelta(hours=1), role["RoleId"]))
    refused = refusal(logs.describe_log_groups)
    assert refused.code == "AccessDeniedException"
    assert "assumed-role/worker/s1 is not authorized" in refused.message
    allow = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:Describe*","Resource":"*"}]}'
    admin.iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=allow)
    assert logs.describe_log_groups()["logGroups"] == []
    admin.iam.delete_role_policy(RoleName="worker", PolicyName="p")
    assert refusal(logs.describe_log_groups).code == "AccessDeniedException"


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("sts", "get_caller_identity", "ExpiredToken", 403),
        ("logs", "describe_log_groups", "ExpiredTokenException", 400),
        ("ec2", "describe_vpcs", "RequestExpired", 400),
    ],
)
def test_an_expired_session(sqlite_admin: Account, service: str, call: str, code: str, status: int):
    keys = session(sqlite_admin.server, sqlite_admin.id, timedelta(seconds=-1))
    refused = refusal(getattr(sqlite_admin.server.client(service, keys), call))
    assert (refused.code, refused.status) == (code, status)


def test_a_forged_token(sqlite_admin: Account):
    keys = session(sqlite_admin.server, sqlite_admin.id, timedelta(hours=1))
    assert keys.token is not None
    for token in ("x", keys.token[:-4] + "AAAA", "%C3%A9"):
        forged = sqlite_admin.server.client("sts", Keys(keys.account, keys.key, keys.secret, token))
        assert refusal(forged.get_caller_identity).code == "InvalidClientTokenId"


def test_a_token_of_another_key(sqlite_admin: Account):
    one = session(sqlite_admin.server, sqlite_admin.id, timedelta(hours=1))
    two = session(sqlite_admin.server, sqlite_admin.id, timedelta(hours=1))
    mixed = sqlite_admin.server.client("sts", Keys(one.account, one.key, one.secret, two.token))
    assert refusal(mixed.get_caller_identity).code == "InvalidClientTokenId"
