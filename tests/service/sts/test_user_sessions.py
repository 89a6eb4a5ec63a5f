"""Sessions of users and of federated users: GetSessionToken, GetFederationToken, and what they can't be used for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.service.sts.callers import ASSUME, allow, assume, client, phone, policy, role, session_keys, trust
from tests.support.server import Account, Keys, refusal


def session(account: Account, keys: Keys, **more: object) -> Keys:
    return session_keys(account.id, client(account, "sts", keys).get_session_token(**more))


def federated(account: Account, keys: Keys, name: str = "Bob", **more: object) -> Keys:
    return session_keys(account.id, client(account, "sts", keys).get_federation_token(Name=name, **more))


def test_a_users_session_is_the_user(admin: Account):
    ann = admin.user("ann", allow("logs:*"))
    answer = client(admin, "sts", ann).get_session_token()
    assert timedelta(hours=11, minutes=59) < answer["Credentials"]["Expiration"] - datetime.now(UTC)
    keys = session_keys(admin.id, answer)
    who = client(admin, "sts", keys).get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{admin.id}:user/ann"
    assert who["UserId"] == admin.iam.get_user(UserName="ann")["User"]["UserId"]
    client(admin, "logs", keys).describe_log_groups()
    assert refusal(client(admin, "ecs", keys).list_clusters).code == "AccessDeniedException"
    admin.iam.delete_user_policy(UserName="ann", PolicyName="p")
    assert refusal(client(admin, "logs", keys).describe_log_groups).code == "AccessDeniedException"


def test_policies_have_no_say_in_a_users_session(admin: Account):
    session(admin, admin.user("eve"))
    session(admin, admin.user("bob", {"Effect": "Deny", "Action": "*", "Resource": "*"}))


def test_how_long_a_users_session_lasts(admin: Account):
    sts = admin.sts
    answer = sts.get_session_token(DurationSeconds=129600)
    assert answer["Credentials"]["Expiration"] - datetime.now(UTC) > timedelta(hours=35)
    assert refusal(sts.get_session_token, DurationSeconds=129601).code == "ValidationError"


def test_without_mfa_it_opens_neither_iam_nor_other_sessions(admin: Account):
    keys = session(admin, admin.keys)
    found = refusal(client(admin, "iam", keys).list_users)
    assert (found.code, found.status) == ("InvalidClientTokenId", 403)
    sts = client(admin, "sts", keys)
    for call, parameters in (
        (sts.get_session_token, {}),
        (sts.get_federation_token, {"Name": "bob"}),
        (sts.get_access_key_info, {"AccessKeyId": admin.keys.key}),
        (sts.decode_authorization_message, {"EncodedMessage": "x"}),
    ):
        found = refusal(call, **parameters)
        assert (found.code, found.status) == ("AccessDenied", 403)
        assert found.message.endswith("with session credentials")
    sts.get_caller_identity()
    assume(admin, keys, role(admin, "web", trust(admin.id)))


def test_with_mfa_it_may_what_needs_mfa(admin: Account):
    present = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "900"}}
    ann = admin.user("ann", allow("iam:ListUsers", Condition=present), allow("sts:*"))
    device = phone(admin, "ann")
    assert refusal(client(admin, "iam", ann).list_users).code == "AccessDenied"
    found = refusal(client(admin, "sts", ann).get_session_token, SerialNumber=device.serial, TokenCode="000000")
    assert found.code == "AccessDenied"
    assert found.message == "MultiFactorAuthentication failed with invalid MFA one time pass code. "
    keys = session(admin, ann, **device.code())
    client(admin, "iam", keys).list_users()
    careful = role(admin, "careful", trust(admin.id, condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    assume(admin, keys, careful)
    assert refusal(assume, account=admin, keys=session(admin, ann), arn=careful).code == "AccessDenied"


def test_codes_can_not_be_guessed(admin: Account):
    ann = admin.user("ann", allow("*"))
    device = phone(admin, "ann")
    sts = client(admin, "sts", ann)
    wrong = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
    for code in range(5):
        assert refusal(sts.get_session_token, SerialNumber=device.serial, TokenCode=f"{code:06}").message == wrong
    assert refusal(sts.get_session_token, **device.code()).message == wrong, "a right one is not looked at"
    session(admin, ann)


def test_a_deny_without_mfa(admin: Account):
    without = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    ann = admin.user("ann", allow("*"), {"Effect": "Deny", "Action": "ecs:*", "Resource": "*", "Condition": without})
    device = phone(admin, "ann")
    client(admin, "logs", session(admin, ann)).describe_log_groups()
    assert refusal(client(admin, "ecs", ann).list_clusters).code == "AccessDeniedException", (
        "IfExists holds without the key"
    )
    assert refusal(client(admin, "ecs", session(admin, ann)).list_clusters).code == "AccessDeniedException"
    client(admin, "ecs", session(admin, ann, **device.code())).list_clusters()


def test_a_session_dies_with_its_user(admin: Account):
    ann = admin.user("ann", allow("*"))
    keys = session(admin, ann)
    admin.iam.delete_access_key(UserName="ann", AccessKeyId=ann.key)
    client(admin, "logs", keys).describe_log_groups()
    admin.iam.delete_user_policy(UserName="ann", PolicyName="p")
    admin.iam.delete_user(UserName="ann")
    admin.user("ann", allow("*"))
    assert refusal(client(admin, "logs", keys).describe_log_groups).code == "AccessDeniedException"


def test_a_federated_user_has_what_both_allow(admin: Account):
    ann = admin.user("ann", allow(["logs:*", "sts:*"]))
    answer = client(admin, "sts", ann).get_federation_token(Name="Bob", Policy=policy(allow(["logs:*", "ecs:*"])))
    assert answer["FederatedUser"] == {
        "FederatedUserId": f"{admin.id}:Bob",
        "Arn": f"arn:aws:sts::{admin.id}:federated-user/Bob",
    }
    assert answer["PackedPolicySize"] > 0
    keys = session_keys(admin.id, answer)
    who = client(admin, "sts", keys).get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (answer["FederatedUser"]["Arn"], f"{admin.id}:Bob")
    client(admin, "logs", keys).describe_log_groups()
    found = refusal(client(admin, "ecs", keys).list_clusters)
    assert "federated-user/Bob is not authorized to perform: ecs:ListClusters" in found.message
    assert "no identity-based policy allows" in found.message


def test_a_federated_user_without_policies_has_nothing(admin: Account):
    keys = federated(admin, admin.keys)
    found = refusal(client(admin, "logs", keys).describe_log_groups)
    assert "because no session policy allows" in found.message


def test_what_a_federated_user_can_not_call(admin: Account):
    keys = federated(admin, admin.keys, Policy=policy(allow("*")))
    assert refusal(client(admin, "iam", keys).list_users).code == "InvalidClientTokenId"
    sts = client(admin, "sts", keys)
    arn = role(admin, "web", trust(admin.id))
    found = refusal(sts.assume_role, RoleArn=arn, RoleSessionName="work")
    assert (found.code, found.message) == ("AccessDenied", "Cannot call AssumeRole with session credentials")
    assert refusal(sts.get_session_token).code == "AccessDenied"
    sts.get_caller_identity()


def test_who_may_federate_whom(admin: Account):
    only = {"Effect": "Allow", "Action": "sts:GetFederationToken", "Resource": "arn:aws:sts::*:federated-user/Bob*"}
    ann = admin.user("ann", only)
    federated(admin, ann, "Bobby")
    found = refusal(client(admin, "sts", ann).get_federation_token, Name="Eve")
    arn = f"arn:aws:sts::{admin.id}:federated-user/Eve"
    assert f"is not authorized to perform: sts:GetFederationToken on resource: {arn}" in found.message
    tags = [{"Key": "team", "Value": "red"}]
    refused = refusal(client(admin, "sts", ann).get_federation_token, Name="Bob", Tags=tags)
    assert "sts:TagSession" in refused.message


def test_tags_of_federated_users(admin: Account):
    tagged = allow("logs:*", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})
    ann = admin.user("ann", tagged, allow("sts:*"))
    open_policy = policy(allow("*"))
    red = federated(admin, ann, Policy=open_policy, Tags=[{"Key": "team", "Value": "red"}])
    client(admin, "logs", red).describe_log_groups()
    plain = federated(admin, ann, Policy=open_policy)
    assert refusal(client(admin, "logs", plain).describe_log_groups).code == "AccessDeniedException"


def test_a_roles_session_opens_no_users_sessions(admin: Account):
    keys = assume(admin, admin.keys, role(admin, "web", trust(admin.id)))
    sts = client(admin, "sts", keys)
    assert refusal(sts.get_session_token).message == "Cannot call GetSessionToken with session credentials"
    assert refusal(sts.get_federation_token, Name="Bob").code == "AccessDenied"


def test_a_denied_caller_may_ask_for_nothing_but_a_session(admin: Account):
    ann = admin.user("ann", ASSUME)
    keys = session(admin, ann, DurationSeconds=900)
    assert refusal(client(admin, "ecs", keys).list_clusters).code == "AccessDeniedException"
