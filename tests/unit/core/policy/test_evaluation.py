"""The decision, by the tables of AWS's public documentation.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and the pages below it.
"""

from __future__ import annotations

import pytest
from tests.unit.core.policy.policies import (
    ACCOUNT,
    ALLOWED,
    ANONYMOUS,
    EXPLICIT,
    FEDERATED,
    FULL,
    IMPLICIT,
    OTHER,
    REQUESTERS,
    ROOT,
    SERVICE,
    SESSION,
    USER,
    allow,
    ask,
    deny,
    policy,
)

from roadstead.core.policy.compile import CompiledPolicy
from roadstead.core.policy.evaluate import PolicySet, evaluate, evaluate_each
from roadstead.core.policy.explain import denial, trace_lines
from roadstead.core.policy.principals import Requester, RequesterKind
from roadstead.core.policy.trace import Decision, Obstacle, PolicyKind

NOTHING = policy(allow("nothing:*"))


def resource(principal: object, effect: str = "Allow", **more: object) -> CompiledPolicy:
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Principal": principal, **more}
    return policy({k: v for k, v in statement.items() if v is not None}, kind=PolicyKind.RESOURCE, name="bucket policy")


def decide(who: Requester, policies: PolicySet, owner: str | None = ACCOUNT) -> tuple[Decision, PolicyKind | None]:
    verdict = evaluate(ask(who=who, owner=owner), policies)
    return verdict.decision, verdict.kind


@pytest.mark.parametrize(
    ("who", "named", "expected"),
    [
        # the table "Resource-based policies and implicit denies in other policy types (same account)"
        (SESSION, SESSION.identity_arn, (IMPLICIT, PolicyKind.BOUNDARY)),
        (SESSION, SESSION.arn, (ALLOWED, PolicyKind.RESOURCE)),
        (USER, USER.arn, (ALLOWED, PolicyKind.RESOURCE)),
        (FEDERATED, FEDERATED.identity_arn, (IMPLICIT, PolicyKind.BOUNDARY)),
        (FEDERATED, FEDERATED.arn, (ALLOWED, PolicyKind.RESOURCE)),
        (ROOT, ROOT.arn, (ALLOWED, PolicyKind.RESOURCE)),
        # the page on principals: everybody, accounts, unique ids
        (SESSION, "*", (ALLOWED, PolicyKind.RESOURCE)),
        (USER, "*", (ALLOWED, PolicyKind.RESOURCE)),
        (USER, ACCOUNT, (IMPLICIT, PolicyKind.IDENTITY)),
        (SESSION, ROOT.arn, (IMPLICIT, PolicyKind.IDENTITY)),
        (USER, USER.unique_id, (ALLOWED, PolicyKind.RESOURCE)),
        (SESSION, SESSION.unique_id, (IMPLICIT, PolicyKind.BOUNDARY)),
        (USER, SESSION.arn, (IMPLICIT, PolicyKind.IDENTITY)),
    ],
)
def test_what_a_resources_policy_spares(who: Requester, named: str, expected: tuple[Decision, PolicyKind]) -> None:
    session = (NOTHING,) if who.kind in (RequesterKind.ROLE_SESSION, RequesterKind.FEDERATED_USER) else None
    policies = PolicySet(identity=(NOTHING,), boundary=NOTHING, session=session, resource=resource({"AWS": named}))
    assert decide(who, policies) == expected


@pytest.mark.parametrize(
    ("boundary", "session", "expected"),
    [
        (None, None, (ALLOWED, PolicyKind.RESOURCE)),
        (FULL, (FULL,), (ALLOWED, PolicyKind.RESOURCE)),
        (FULL, (NOTHING,), (IMPLICIT, PolicyKind.SESSION)),
        (NOTHING, None, (IMPLICIT, PolicyKind.BOUNDARY)),
        (None, (NOTHING, FULL), (ALLOWED, PolicyKind.RESOURCE)),
    ],
)
def test_a_role_that_is_named_needs_no_policy_of_its_own(
    boundary: CompiledPolicy | None, session: tuple[CompiledPolicy, ...] | None, expected: tuple[Decision, PolicyKind]
) -> None:
    policies = PolicySet(boundary=boundary, session=session, resource=resource({"AWS": SESSION.identity_arn}))
    assert decide(SESSION, policies) == expected


def test_a_federated_user_without_session_policies_has_only_what_names_it() -> None:
    assert decide(FEDERATED, PolicySet(identity=(FULL,))) == (IMPLICIT, PolicyKind.SESSION)
    assert decide(FEDERATED, PolicySet(identity=(FULL,), session=(FULL,))) == (ALLOWED, PolicyKind.IDENTITY)
    assert decide(FEDERATED, PolicySet(identity=(FULL,), resource=resource({"AWS": FEDERATED.identity_arn}))) == (
        IMPLICIT,
        PolicyKind.SESSION,
    )
    assert decide(FEDERATED, PolicySet(resource=resource({"AWS": FEDERATED.arn}))) == (ALLOWED, PolicyKind.RESOURCE)


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (PolicySet(), (IMPLICIT, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,)), (ALLOWED, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL, policy(deny()))), (EXPLICIT, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), boundary=FULL), (ALLOWED, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), boundary=NOTHING), (IMPLICIT, PolicyKind.BOUNDARY)),
        (PolicySet(identity=(FULL,), boundary=policy(allow(), deny())), (EXPLICIT, PolicyKind.BOUNDARY)),
        (PolicySet(boundary=FULL), (IMPLICIT, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), session=(NOTHING,)), (IMPLICIT, PolicyKind.SESSION)),
        (PolicySet(identity=(FULL,), session=()), (IMPLICIT, PolicyKind.SESSION)),
        (PolicySet(identity=(FULL,), session=(FULL, policy(deny()))), (EXPLICIT, PolicyKind.SESSION)),
        (PolicySet(identity=(FULL,), service_control=((FULL,), (FULL, NOTHING))), (ALLOWED, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), service_control=((FULL,), (NOTHING,))), (IMPLICIT, PolicyKind.SERVICE_CONTROL)),
        (PolicySet(identity=(FULL,), service_control=((),)), (IMPLICIT, PolicyKind.SERVICE_CONTROL)),
        (PolicySet(service_control=((FULL,),)), (IMPLICIT, PolicyKind.IDENTITY)),
        (
            PolicySet(identity=(FULL,), service_control=((FULL, policy(deny())),)),
            (EXPLICIT, PolicyKind.SERVICE_CONTROL),
        ),
        (PolicySet(resource=resource("*"), service_control=((NOTHING,),)), (IMPLICIT, PolicyKind.SERVICE_CONTROL)),
        (PolicySet(identity=(FULL,), resource=resource("*", "Deny")), (EXPLICIT, PolicyKind.RESOURCE)),
        (PolicySet(identity=(FULL,), resource=resource({"AWS": OTHER}, "Deny")), (ALLOWED, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), resource=resource({"AWS": ACCOUNT}, "Deny")), (EXPLICIT, PolicyKind.RESOURCE)),
        (PolicySet(identity=(policy(deny()),), resource=resource("*")), (EXPLICIT, PolicyKind.IDENTITY)),
        (PolicySet(boundary=policy(deny()), resource=resource("*")), (EXPLICIT, PolicyKind.BOUNDARY)),
    ],
)
def test_within_one_account(policies: PolicySet, expected: tuple[Decision, PolicyKind]) -> None:
    assert decide(USER, policies) == expected
    assert decide(SESSION, policies) == expected


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (PolicySet(identity=(FULL,)), (IMPLICIT, PolicyKind.RESOURCE)),
        (PolicySet(resource=resource({"AWS": USER.arn})), (IMPLICIT, PolicyKind.IDENTITY)),
        (PolicySet(resource=resource("*")), (IMPLICIT, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), resource=resource({"AWS": USER.arn})), (ALLOWED, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), resource=resource({"AWS": ACCOUNT})), (ALLOWED, PolicyKind.IDENTITY)),
        (PolicySet(identity=(FULL,), resource=resource({"AWS": OTHER})), (IMPLICIT, PolicyKind.RESOURCE)),
        (
            PolicySet(identity=(FULL,), boundary=NOTHING, resource=resource({"AWS": USER.arn})),
            (IMPLICIT, PolicyKind.BOUNDARY),
        ),
        (
            PolicySet(identity=(FULL,), session=(NOTHING,), resource=resource({"AWS": ACCOUNT})),
            (IMPLICIT, PolicyKind.SESSION),
        ),
        (
            PolicySet(identity=(FULL,), service_control=((NOTHING,),), resource=resource("*")),
            (IMPLICIT, PolicyKind.SERVICE_CONTROL),
        ),
    ],
)
def test_another_accounts_resource(policies: PolicySet, expected: tuple[Decision, PolicyKind]) -> None:
    assert decide(USER, policies, owner=OTHER) == expected


def test_the_root_user() -> None:
    assert decide(ROOT, PolicySet()) == (ALLOWED, None)
    assert decide(ROOT, PolicySet(service_control=((NOTHING,),))) == (IMPLICIT, PolicyKind.SERVICE_CONTROL)
    assert decide(ROOT, PolicySet(), owner=OTHER) == (IMPLICIT, PolicyKind.RESOURCE)
    assert decide(ROOT, PolicySet(resource=resource({"AWS": ACCOUNT})), owner=OTHER) == (ALLOWED, PolicyKind.RESOURCE)


def test_services_and_strangers_have_what_a_resources_policy_gives_them() -> None:
    scps = ((NOTHING,),)
    assert decide(SERVICE, PolicySet()) == (IMPLICIT, PolicyKind.RESOURCE)
    assert decide(SERVICE, PolicySet(resource=resource({"Service": SERVICE.arn}), service_control=scps)) == (
        ALLOWED,
        PolicyKind.RESOURCE,
    )
    assert decide(SERVICE, PolicySet(resource=resource({"Service": "ec2.amazonaws.com"}))) == (
        IMPLICIT,
        PolicyKind.RESOURCE,
    )
    assert decide(ANONYMOUS, PolicySet(resource=resource("*"))) == (ALLOWED, PolicyKind.RESOURCE)
    assert decide(ANONYMOUS, PolicySet(resource=resource({"AWS": ACCOUNT}))) == (IMPLICIT, PolicyKind.RESOURCE)


def test_service_control_policies_leave_service_linked_roles_alone() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    linked = Requester(
        RequesterKind.ROLE_SESSION, f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSServiceRoleForECS/s", ACCOUNT, role
    )
    scps = ((policy(allow("nothing:*"), deny()),),)
    assert decide(linked, PolicySet(identity=(FULL,), service_control=scps)) == (ALLOWED, PolicyKind.IDENTITY)


BOB, ROLE, AUDIT = (
    f"arn:aws:iam::{OTHER}:user/Bob",
    f"arn:aws:iam::{OTHER}:role/reader",
    f"arn:aws:sts::{OTHER}:assumed-role/reader/audit",
)
BOB_ASKS = Requester(RequesterKind.USER, BOB, OTHER, BOB)
AUDIT_ASKS = Requester(RequesterKind.ROLE_SESSION, AUDIT, OTHER, ROLE)


@pytest.mark.parametrize(
    ("spared", "who", "denied"),
    [
        ([BOB, OTHER], BOB_ASKS, False),
        ([BOB], BOB_ASKS, False),
        ([OTHER], BOB_ASKS, True),
        ([AUDIT, ROLE, OTHER], AUDIT_ASKS, False),
        ([AUDIT, OTHER], AUDIT_ASKS, True),
        ([ROLE, OTHER], AUDIT_ASKS, True),
        ([BOB], USER, True),
        (["*"], USER, False),
    ],
)
def test_not_principal_with_deny(spared: list[str], who: Requester, denied: bool) -> None:
    policies = PolicySet(identity=(FULL,), resource=resource(None, "Deny", NotPrincipal={"AWS": spared}))
    assert (evaluate(ask(who=who), policies).decision is EXPLICIT) is denied


def test_not_principal_with_deny_spares_nobody_who_has_a_boundary() -> None:
    policies = PolicySet(
        identity=(FULL,), boundary=FULL, resource=resource(None, "Deny", NotPrincipal={"AWS": [BOB, OTHER]})
    )
    assert evaluate(ask(who=BOB_ASKS), policies).decision is EXPLICIT


def test_not_principal_with_allow() -> None:
    policies = PolicySet(resource=resource(None, NotPrincipal={"AWS": [BOB, ROLE]}))
    assert evaluate(ask(who=USER), policies).allowed
    assert not evaluate(ask(who=BOB_ASKS), policies).allowed
    assert not evaluate(ask(who=AUDIT_ASKS), policies).allowed


def test_a_variable_without_a_value_matches_no_resource() -> None:
    own = "arn:aws:s3:::b/${aws:PrincipalTag/Team}"
    assert not evaluate(ask(resource="arn:aws:s3:::b/"), PolicySet(identity=(policy(allow("*", own)),))).allowed
    spared = policy({"Effect": "Deny", "Action": "*", "NotResource": own})
    assert evaluate(ask(resource="arn:aws:s3:::b/"), PolicySet(identity=(FULL, spared))).decision is EXPLICIT


def test_trust_policies_are_needed_within_an_account() -> None:
    def trust(principal: object, **more: object) -> CompiledPolicy:
        return policy(
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **more}, kind=PolicyKind.TRUST
        )

    def assume(
        who: Requester, trusted: CompiledPolicy, *identity: CompiledPolicy, **keys: str
    ) -> tuple[Decision, PolicyKind | None]:
        request = ask("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/r", who, ACCOUNT, **keys)
        verdict = evaluate(request, PolicySet(identity=identity, resource=trusted, resource_must_allow=True))
        return verdict.decision, verdict.kind

    assert assume(USER, trust({"AWS": ACCOUNT}), FULL) == (ALLOWED, PolicyKind.IDENTITY)
    assert assume(USER, trust({"AWS": ACCOUNT})) == (IMPLICIT, PolicyKind.IDENTITY)
    assert assume(USER, trust({"AWS": OTHER}), FULL) == (IMPLICIT, PolicyKind.TRUST)
    assert assume(USER, trust({"AWS": USER.arn})) == (ALLOWED, PolicyKind.TRUST)
    assert assume(USER, trust({"AWS": USER.arn}), policy(deny())) == (EXPLICIT, PolicyKind.IDENTITY)
    external = trust({"AWS": ACCOUNT}, Condition={"StringEquals": {"sts:ExternalId": "42"}})
    assert assume(USER, external, FULL, sts__ExternalId="42")[0] is ALLOWED
    assert assume(USER, external, FULL) == (IMPLICIT, PolicyKind.TRUST)


def test_every_resource_of_a_request_must_be_allowed() -> None:
    policies = PolicySet(identity=(policy(allow("*", "arn:aws:s3:::a"), deny("*", "arn:aws:s3:::c")),))
    a, b, c = ((ask(resource=f"arn:aws:s3:::{name}"), policies) for name in "abc")
    assert evaluate_each([a])[1].allowed
    assert evaluate_each([a, b])[0] is b[0]
    assert evaluate_each([b, a, c])[0] is c[0]
    with pytest.raises(ValueError, match="at least one"):
        evaluate_each([])


@pytest.mark.parametrize(
    ("policies", "because"),
    [
        (PolicySet(), "because no identity-based policy allows the s3:GetObject action"),
        (PolicySet(identity=(policy(deny()),)), "with an explicit deny in an identity-based policy"),
        (
            PolicySet(identity=(FULL,), boundary=NOTHING),
            "because no permissions boundary allows the s3:GetObject action",
        ),
        (PolicySet(identity=(FULL,), boundary=policy(deny())), "with an explicit deny in a permissions boundary"),
        (PolicySet(identity=(FULL,), session=(NOTHING,)), "because no session policy allows the s3:GetObject action"),
        (PolicySet(identity=(FULL,), session=(policy(deny()),)), "with an explicit deny in a session policy"),
        (
            PolicySet(identity=(FULL,), service_control=((NOTHING,),)),
            "because no service control policy allows the s3:GetObject action",
        ),
        (
            PolicySet(identity=(FULL,), service_control=((policy(deny()),),)),
            "with an explicit deny in a service control policy",
        ),
        (
            PolicySet(identity=(FULL,), resource_must_allow=True),
            "because no resource-based policy allows the s3:GetObject action",
        ),
        (
            PolicySet(identity=(FULL,), resource=resource("*", "Deny")),
            "with an explicit deny in a resource-based policy",
        ),
    ],
)
def test_denials_are_worded_as_aws_words_them(policies: PolicySet, because: str) -> None:
    text = denial(USER.arn, "s3:GetObject", "arn:aws:s3:::bucket/key", evaluate(ask(owner=ACCOUNT), policies))
    start = f"User: {USER.arn} is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::bucket/key "
    assert text == start + because


def test_the_trace_names_what_did_not_apply() -> None:
    identity = policy(
        allow("s3:*", "arn:aws:s3:::other/*", Sid="Elsewhere"),
        allow(
            "s3:Get*",
            Condition={"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"aws:PrincipalTag/Team": ["a", "b"]}},
        ),
        allow("ec2:*"),
        name="mine",
    )
    verdict = evaluate(ask(aws__SecureTransport="true"), PolicySet(identity=(identity,)))
    assert [(m.statement.index, m.obstacle) for m in verdict.missed] == [
        (0, Obstacle.RESOURCE),
        (1, Obstacle.CONDITION),
    ]
    assert trace_lines(verdict) == [
        "implicitDeny: identity-based",
        "did not apply: Elsewhere of identity-based policy mine: its resources do not match",
        "did not apply: Statement[1] of identity-based policy mine: StringEquals aws:PrincipalTag/Team wants a, b; the request has (absent)",
    ]


def test_requesters_are_all_decided() -> None:
    for who in REQUESTERS.values():
        assert evaluate(ask(who=who), PolicySet(identity=(policy(deny()),))).decision is EXPLICIT
