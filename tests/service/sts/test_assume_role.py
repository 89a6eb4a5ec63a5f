"""AssumeRole: who may be a role, for how long, and what the session may do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from tests.service.sts.callers import (
    ASSUME,
    allow,
    assume,
    client,
    phone,
    policy,
    role,
    session_keys,
    trust,
)
from tests.support.server import Account, Keys, refusal

NAME = {"RoleSessionName": "work"}


def denied(account: Account, keys: Keys, arn: str, **more: object) -> str:
    """The message of an AssumeRole that is not allowed."""
    found = refusal(client(account, "sts", keys).assume_role, RoleArn=arn, **NAME, **more)
    assert (found.code, found.status) == ("AccessDenied", 403)
    return found.message.partition(". Encoded authorization failure message: ")[0]


def test_a_user_becomes_a_role(admin: Account):
    arn = role(admin, "web", trust(admin.id), Path="/deploy/")
    ann = admin.user("ann", ASSUME)
    answer = client(admin, "sts", ann).assume_role(RoleArn=arn, RoleSessionName="ann@work")
    found = admin.iam.get_role(RoleName="web")["Role"]
    assert answer["AssumedRoleUser"] == {
        "Arn": f"arn:aws:sts::{admin.id}:assumed-role/web/ann@work",
        "AssumedRoleId": f"{found['RoleId']}:ann@work",
    }
    assert "PackedPolicySize" not in answer
    assert "SourceIdentity" not in answer
    keys = answer["Credentials"]
    assert keys["AccessKeyId"].startswith("ASIA")
    assert answer["SessionTokenSize"] == len(keys["SessionToken"])
    assert timedelta(minutes=59) < keys["Expiration"] - datetime.now(UTC) <= timedelta(hours=1)
    sts = client(admin, "sts", session_keys(admin.id, answer))
    assert sts.get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert sts.get_access_key_info(AccessKeyId=keys["AccessKeyId"])["Account"] == admin.id
    client(admin, "iam", session_keys(admin.id, answer)).list_users()


def test_the_role_decides_and_the_user_too(admin: Account):
    arn = role(admin, "web", trust(admin.id))
    ann, bob = admin.user("ann", ASSUME), admin.user("bob")
    user = f"arn:aws:iam::{admin.id}:user"
    assume(admin, ann, arn)
    assert denied(admin, bob, arn) == (
        f"User: {user}/bob is not authorized to perform: sts:AssumeRole on resource: {arn}"
        " because no identity-based policy allows the sts:AssumeRole action"
    )
    direct = role(admin, "direct", trust(f"{user}/bob"))
    assume(admin, bob, direct)
    assert denied(admin, ann, direct) == (
        f"User: {user}/ann is not authorized to perform: sts:AssumeRole on resource: {direct}"
        " because no role trust policy allows the sts:AssumeRole action"
    )
    missing = f"arn:aws:iam::{admin.id}:role/none"
    assert denied(admin, ann, missing) == denied(admin, ann, direct).replace(direct, missing), "not told apart"
    wrong_path = arn.replace("role/", "role/other/")
    assert denied(admin, ann, wrong_path) == denied(admin, ann, missing).replace(missing, wrong_path)


def test_an_external_id(admin: Account):
    condition = {"StringEquals": {"sts:ExternalId": "tenant:42"}}
    arn = role(admin, "vendor", trust(admin.id, condition=condition))
    ann = admin.user("ann", ASSUME)
    assert "because no role trust policy allows" in denied(admin, ann, arn)
    assert "because no role trust policy allows" in denied(admin, ann, arn, ExternalId="tenant:43")
    assume(admin, ann, arn, ExternalId="tenant:42")


def test_a_session_name(admin: Account):
    arn = role(admin, "web", trust(admin.id, condition={"StringLike": {"sts:RoleSessionName": "${aws:username}"}}))
    ann = admin.user("ann", ASSUME)
    assume(admin, ann, arn, "ann")
    assert refusal(assume, account=admin, keys=ann, arn=arn, name="bob").code == "AccessDenied"
    for name in ("a b", "x" * 65, "éé"):
        assert refusal(assume, account=admin, keys=ann, arn=arn, name=name).code == "ValidationError"


@pytest.mark.parametrize("text", ["arn:aws:iam::123456789012:user/ann", "arn:aws:sts::123456789012:role/x", "x" * 30])
def test_what_is_no_role(sqlite_admin: Account, text: str):
    found = refusal(sqlite_admin.sts.assume_role, RoleArn=text, **NAME)
    assert (found.code, found.message) == ("ValidationError", f"{text} is invalid")


def test_how_long_a_session_lasts(admin: Account):
    arn = role(admin, "long", trust(admin.id), MaxSessionDuration=7200)
    ann = client(admin, "sts", admin.user("ann", ASSUME))
    answer = ann.assume_role(RoleArn=arn, DurationSeconds=7200, **NAME)
    assert answer["Credentials"]["Expiration"] - datetime.now(UTC) > timedelta(minutes=119)
    found = refusal(ann.assume_role, RoleArn=arn, DurationSeconds=7201, **NAME)
    assert (found.code, found.status, found.message) == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    assert refusal(ann.assume_role, RoleArn=arn, DurationSeconds=43201, **NAME).code == "ValidationError"
    chained = client(admin, "sts", session_keys(admin.id, answer))
    chained.assume_role(RoleArn=arn, DurationSeconds=3600, **NAME)
    found = refusal(chained.assume_role, RoleArn=arn, DurationSeconds=3601, **NAME)
    assert found.message == (
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    )


def test_another_account(admin: Account):
    other = Account(admin.server, admin.server.new_account())
    theirs = role(other, "guest", trust(admin.id))
    ann, bob = admin.user("ann", ASSUME), admin.user("bob")
    keys = assume(admin, ann, theirs)
    assert client(admin, "sts", keys).get_caller_identity()["Account"] == other.id
    assert [u["UserName"] for u in client(admin, "iam", keys).list_users()["Users"]] == ["admin"]
    assert "no identity-based policy" in denied(admin, bob, theirs)
    direct = role(other, "named", trust(f"arn:aws:iam::{admin.id}:user/bob"))
    assert "no identity-based policy" in denied(admin, bob, direct), "its own account must agree"
    closed = role(other, "closed", trust(other.id))
    assert "no role trust policy" in denied(admin, ann, closed)


def test_a_role_is_named_by_its_sessions_and_its_own_arn(admin: Account):
    first = role(admin, "first", trust(admin.id), allowed=allow("logs:*"))
    session = f"arn:aws:sts::{admin.id}:assumed-role/first/work"
    by_role = role(admin, "by-role", trust(first))
    by_session = role(admin, "by-session", trust(session))
    keys = assume(admin, admin.keys, first)
    assume(admin, keys, by_role)
    assume(admin, keys, by_session)
    other = assume(admin, admin.keys, first, "other")
    assume(admin, other, by_role)
    assert "no role trust policy" in denied(admin, other, by_session)


def test_session_policies_limit_the_session(admin: Account):
    managed = admin.iam.create_policy(PolicyName="streams", PolicyDocument=policy(allow("logs:Describe*")))["Policy"]
    arn = role(admin, "web", trust(admin.id))
    inline = policy(allow("ecs:ListClusters"))
    answer = admin.sts.assume_role(RoleArn=arn, Policy=inline, PolicyArns=[{"arn": managed["Arn"]}], **NAME)
    assert 1 <= answer["PackedPolicySize"] <= 100
    keys = session_keys(admin.id, answer)
    logs = client(admin, "logs", keys)
    logs.describe_log_groups()
    client(admin, "ecs", keys).list_clusters()
    found = refusal(client(admin, "iam", keys).list_users)
    assert found.code == "AccessDenied"
    assert "because no session policy allows the iam:ListUsers action" in found.message
    admin.iam.create_policy_version(PolicyArn=managed["Arn"], PolicyDocument=policy(allow("ecr:*")), SetAsDefault=True)
    assert "no session policy allows" in refusal(logs.describe_log_groups).message, "as the policy is now"


def test_a_session_policy_that_is_gone_allows_nothing(admin: Account):
    managed = admin.iam.create_policy(PolicyName="all", PolicyDocument=policy(allow("*")))["Policy"]["Arn"]
    keys = assume(admin, admin.keys, role(admin, "web", trust(admin.id)), PolicyArns=[{"arn": managed}])
    client(admin, "iam", keys).list_users()
    admin.iam.delete_policy(PolicyArn=managed)
    assert "no session policy allows" in refusal(client(admin, "iam", keys).list_users).message


def test_session_policies_that_can_not_be(admin: Account):
    arn = role(admin, "web", trust(admin.id))
    other = Account(admin.server, admin.server.new_account())
    theirs = other.iam.create_policy(PolicyName="p", PolicyDocument=policy(allow("*")))["Policy"]["Arn"]

    def code(**more: object) -> str:
        return refusal(admin.sts.assume_role, RoleArn=arn, **NAME, **more).code

    assert code(Policy="{}") == "MalformedPolicyDocument"
    assert code(Policy=policy({**allow("*"), "Principal": "*"})) == "MalformedPolicyDocument"
    assert code(Policy=policy(allow("*")) + " " * 2048) == "PackedPolicyTooLarge"
    assert code(PolicyArns=[{"arn": theirs}]) == "ValidationError"
    assert code(PolicyArns=[{"arn": theirs.replace(other.id, admin.id)}]) == "ValidationError"
    assert code(PolicyArns=[{"arn": arn}]) == "ValidationError"
    assert code(PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}] * 11) == "ValidationError"
    tags = [{"Key": sha256(b"%d" % n).hexdigest(), "Value": sha256(b"v%d" % n).hexdigest()} for n in range(50)]
    tagged = role(admin, "tagged", trust(admin.id, "sts:AssumeRole", "sts:TagSession"))
    packed = refusal(admin.sts.assume_role, RoleArn=tagged, Tags=tags, **NAME)
    assert packed.code == "PackedPolicyTooLarge"
    assert "% of allotted space" in packed.message


def test_session_tags(admin: Account):
    plain = role(admin, "plain", trust(admin.id))
    tags = [{"Key": "Team", "Value": "red"}]
    assert "no role trust policy allows the sts:TagSession action" in denied(admin, admin.keys, plain, Tags=tags)
    condition = {"StringEquals": {"aws:RequestTag/Team": ["red", "blue"]}}
    arn = role(
        admin,
        "tagged",
        trust(admin.id, "sts:AssumeRole", "sts:TagSession", condition=condition),
        allowed=allow("iam:ListUsers", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}),
        Tags=[{"Key": "team", "Value": "red"}],
    )
    assert "no role trust policy" in denied(admin, admin.keys, arn, Tags=[{"Key": "Team", "Value": "green"}])
    client(admin, "iam", assume(admin, admin.keys, arn, Tags=tags)).list_users()
    blue = assume(admin, admin.keys, arn, Tags=[{"Key": "TEAM", "Value": "blue"}])
    assert refusal(client(admin, "iam", blue).list_users).code == "AccessDenied", "it stands before the role's"
    for wrong in (
        {"Tags": [*tags, {"Key": "team", "Value": "x"}]},
        {"Tags": [{"Key": "aws:x", "Value": "x"}]},
        {"TransitiveTagKeys": ["Team"]},
    ):
        assert refusal(admin.sts.assume_role, RoleArn=arn, **NAME, **wrong).code == "InvalidParameterValue"


def test_transitive_tags_go_along_a_chain(admin: Account):
    both = trust(admin.id, "sts:AssumeRole", "sts:TagSession")
    first, plain = role(admin, "first", both), role(admin, "plain", trust(admin.id))
    needs = {"StringEquals": {"aws:RequestTag/team": "red", "sts:TransitiveTagKeys": "team"}}
    second = role(
        admin,
        "second",
        trust(admin.id, "sts:AssumeRole", "sts:TagSession", condition=needs),
        allowed=allow(["iam:ListUsers", "sts:*"], Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}),
    )
    tags = [{"Key": "team", "Value": "red"}, {"Key": "shift", "Value": "night"}]
    keys = assume(admin, admin.keys, first, Tags=tags, TransitiveTagKeys=["TEAM"])
    chained = assume(admin, keys, second)
    client(admin, "iam", chained).list_users()
    assert "sts:TagSession" in denied(admin, keys, plain), "an inherited tag is a tag of the session"
    found = refusal(
        client(admin, "sts", keys).assume_role, RoleArn=second, Tags=[{"Key": "Team", "Value": "blue"}], **NAME
    )
    assert found.code == "InvalidParameterValue"
    third = assume(admin, chained, first, Tags=[{"Key": "shift", "Value": "day"}])
    assume(admin, third, second)


def test_a_source_identity_stays(admin: Account):
    condition = {"StringLike": {"sts:SourceIdentity": "${aws:username}"}}
    both = ("sts:AssumeRole", "sts:SetSourceIdentity")
    first = role(admin, "first", trust(admin.id, *both, condition=condition))
    needs = {"StringEquals": {"aws:SourceIdentity": "ann"}}
    second = role(admin, "second", trust(admin.id, *both), allowed=allow("iam:ListUsers", Condition=needs))
    plain = role(admin, "plain", trust(admin.id))
    ann = admin.user("ann", ASSUME)
    assert "no role trust policy" in denied(admin, ann, first)
    assert "no role trust policy" in denied(admin, ann, first, SourceIdentity="bob")
    answer = client(admin, "sts", ann).assume_role(RoleArn=first, SourceIdentity="ann", **NAME)
    assert answer["SourceIdentity"] == "ann"
    keys = session_keys(admin.id, answer)
    again = client(admin, "sts", keys).assume_role(RoleArn=second, **NAME)
    assert again["SourceIdentity"] == "ann"
    client(admin, "iam", session_keys(admin.id, again)).list_users()
    changed = refusal(client(admin, "sts", keys).assume_role, RoleArn=second, SourceIdentity="bob", **NAME)
    assert changed.code == "InvalidParameterValue"
    assert "sts:SetSourceIdentity" in denied(admin, keys, plain)
    assert refusal(admin.sts.assume_role, RoleArn=second, SourceIdentity="aws:x", **NAME).code == "ValidationError"


def test_an_mfa_code_opens_a_role(admin: Account):
    arn = role(admin, "careful", trust(admin.id, condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    recent = {"NumericLessThan": {"aws:MultiFactorAuthAge": "60"}}
    soon = role(admin, "soon", trust(admin.id, condition=recent))
    ann = admin.user("ann", ASSUME)
    device = phone(admin, "ann")
    assert "no role trust policy" in denied(admin, ann, arn)
    wrong = denied(admin, ann, arn, SerialNumber=device.serial, TokenCode="000000")
    assert wrong == "MultiFactorAuthentication failed with invalid MFA one time pass code. "
    assert "unable to validate MFA code" in denied(
        admin, admin.keys, arn, SerialNumber=device.serial, TokenCode="000000"
    )
    assert "must provide both" in denied(admin, ann, arn, SerialNumber=device.serial)
    code = device.code()
    keys = assume(admin, ann, soon, **code)
    assert "invalid MFA one time pass code" in denied(admin, ann, arn, **code), "a code counts once"
    assert "no role trust policy" in denied(admin, keys, arn), "a role's session has no MFA"


def test_revoking_older_sessions(admin: Account):
    arn = role(admin, "web", trust(admin.id))
    old = client(admin, "iam", assume(admin, admin.keys, arn))
    old.list_users()
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    revoke = {
        "Effect": "Deny",
        "Action": ["*"],
        "Resource": ["*"],
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": now}},
    }
    admin.iam.put_role_policy(RoleName="web", PolicyName="AWSRevokeOlderSessions", PolicyDocument=policy(revoke))
    found = refusal(old.list_users)
    assert found.code == "AccessDenied"
    assert "with an explicit deny in an identity-based policy" in found.message
    client(admin, "iam", assume(admin, admin.keys, arn)).list_users()


def test_a_role_that_is_made_anew_is_not_the_one_of_older_sessions(admin: Account):
    arn = role(admin, "web", trust(admin.id))
    old = client(admin, "iam", assume(admin, admin.keys, arn))
    old.list_users()
    admin.iam.delete_role_policy(RoleName="web", PolicyName="p")
    admin.iam.delete_role(RoleName="web")
    assert refusal(old.list_users).code == "AccessDenied"
    role(admin, "web", trust(admin.id))
    assert refusal(old.list_users).code == "AccessDenied"
    client(admin, "iam", assume(admin, admin.keys, arn)).list_users()


def test_a_boundary_and_tags_of_the_role_count(admin: Account):
    condition = {"StringEquals": {"aws:ResourceTag/open": "yes", "iam:ResourceTag/open": "yes"}}
    ann = admin.user("ann", {**ASSUME, "Condition": condition})
    tagged = role(admin, "tagged", trust(admin.id), Tags=[{"Key": "open", "Value": "yes"}])
    assume(admin, ann, tagged)
    assert "no identity-based policy" in denied(admin, ann, role(admin, "bare", trust(admin.id)))
    boundary = admin.iam.create_policy(PolicyName="b", PolicyDocument=policy(allow("ecs:*")))["Policy"]["Arn"]
    admin.iam.put_role_permissions_boundary(RoleName="tagged", PermissionsBoundary=boundary)
    found = refusal(client(admin, "iam", assume(admin, ann, tagged)).list_users)
    assert "because no permissions boundary allows" in found.message


def test_a_session_policy_can_not_widen(admin: Account):
    arn = role(admin, "web", trust(admin.id), allowed=allow("logs:*"))
    keys = assume(admin, admin.keys, arn, Policy=policy(allow("*")))
    client(admin, "logs", keys).describe_log_groups()
    assert "no identity-based policy allows" in refusal(client(admin, "iam", keys).list_users).message


def test_contexts_of_identity_center_are_refused_by_name(sqlite_admin: Account):
    arn = role(sqlite_admin, "web", trust(sqlite_admin.id))
    context = [{"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": "x" * 9}]
    found = refusal(sqlite_admin.sts.assume_role, RoleArn=arn, ProvidedContexts=context, **NAME)
    assert (found.code, found.status) == ("NotImplemented", 501)
    assert "ProvidedContexts" in found.message


def test_a_token_of_a_wanted_size(sqlite_admin: Account):
    arn = role(sqlite_admin, "web", trust(sqlite_admin.id))
    answer = sqlite_admin.sts.assume_role(RoleArn=arn, MinimumSessionTokenSize=4096, **NAME)
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"]) >= 4096
    assert answer["SessionTokenUtilization"] == 100
    client(sqlite_admin, "iam", session_keys(sqlite_admin.id, answer)).list_users()


def test_whose_a_key_is(admin: Account):
    bob = admin.user("bob", ASSUME)
    other = Account(admin.server, admin.server.new_account())
    assert other.sts.get_access_key_info(AccessKeyId=bob.key)["Account"] == admin.id
    assert refusal(other.sts.get_access_key_info, AccessKeyId="AIDA" + bob.key[4:]).code == "ValidationError"
    assert (
        refusal(client(admin, "sts", admin.user("eve")).get_access_key_info, AccessKeyId=bob.key).code == "AccessDenied"
    )


def test_what_is_passed_is_remembered_by_the_denial(admin: Account):
    arn = role(admin, "vendor", trust(admin.id, condition={"StringEquals": {"sts:ExternalId": "42"}}))
    found = refusal(admin.sts.assume_role, RoleArn=arn, ExternalId="41", **NAME)
    encoded = found.message.partition("Encoded authorization failure message: ")[2]
    decoded = json.loads(admin.sts.decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
    assert decoded["context"]["resource"] == arn
    conditions = {item["key"]: item["values"]["items"] for item in decoded["context"]["conditions"]["items"]}
    assert conditions["sts:ExternalId"] == [{"value": "41"}]
    assert conditions["sts:RoleSessionName"] == [{"value": "work"}]
