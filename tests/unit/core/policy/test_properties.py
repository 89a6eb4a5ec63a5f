"""What holds for any policies and any request."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.policy.policies import ACCOUNT, OTHER, REQUESTERS, SESSION, USER, Json, allow, policy

from roadstead.core.policy.compile import CompiledPolicy, Request
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.trace import Decision, PolicyKind

ACTIONS = ["ecs:RunTask", "ecs:StopTask", "ecr:PutImage"]
PATTERNS = ["*", "ecs:*", "ecs:RunTask", "ecs:*Task", "ecr:Put?mage"]
RESOURCES = ["arn:aws:ecs:eu-west-1:111122223333:cluster/a", "arn:aws:ecs:eu-west-1:111122223333:cluster/b"]
RESOURCE_PATTERNS = [
    "*",
    RESOURCES[0],
    "arn:aws:ecs:*:*:cluster/*",
    "arn:aws:ecs:eu-west-1:111122223333:cluster/${x:k}",
]
CONDITIONS: list[Json] = [
    {},
    {"StringEquals": {"x:k": "a"}},
    {"StringNotEquals": {"x:k": ["a", "b"]}},
    {"StringEqualsIfExists": {"x:k": "b"}},
    {"ForAllValues:StringLike": {"x:m": ["a*", "b"]}},
    {"ForAnyValue:StringEquals": {"x:m": "b"}},
    {"Null": {"x:k": "true"}},
    {"NumericLessThan": {"x:n": 5}},
]
PRINCIPALS: list[object] = [
    "*",
    {"AWS": ACCOUNT},
    {"AWS": OTHER},
    {"AWS": USER.arn},
    {"AWS": SESSION.identity_arn},
    {"AWS": [SESSION.arn, OTHER]},
]

effects = st.sampled_from(["Allow", "Deny"])


def statements(*, principals: bool = False) -> st.SearchStrategy[list[Json]]:
    fields: dict[str, st.SearchStrategy[object]] = {
        "Effect": effects,
        "Action": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
        "Resource": st.lists(st.sampled_from(RESOURCE_PATTERNS), min_size=1, max_size=2),
        "Condition": st.sampled_from(CONDITIONS),
    }
    if principals:
        fields["Principal"] = st.sampled_from(PRINCIPALS)
    return st.lists(st.fixed_dictionaries(fields), min_size=1, max_size=4)


def policies_of(kind: PolicyKind) -> st.SearchStrategy[CompiledPolicy]:
    named = kind in (PolicyKind.RESOURCE, PolicyKind.TRUST)
    return statements(principals=named).map(lambda found: policy(*found, kind=kind))


IDENTITY = st.lists(policies_of(PolicyKind.IDENTITY), max_size=3).map(tuple)
SESSIONS = st.none() | st.lists(policies_of(PolicyKind.SESSION), max_size=2).map(tuple)
LEVELS = st.lists(st.lists(policies_of(PolicyKind.SERVICE_CONTROL), min_size=1, max_size=2).map(tuple), max_size=2).map(
    tuple
)
SETS = st.builds(
    PolicySet,
    identity=IDENTITY,
    boundary=st.none() | policies_of(PolicyKind.BOUNDARY),
    session=SESSIONS,
    service_control=LEVELS,
    resource=st.none() | policies_of(PolicyKind.RESOURCE),
    resource_must_allow=st.booleans(),
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "x:k": st.sampled_from("abc"),
        "x:m": st.lists(st.sampled_from(["a", "ab", "b", "c"]), max_size=2),
        "X:N": st.sampled_from("19"),
    },
)
REQUESTS = st.builds(
    Request,
    requester=st.sampled_from(list(REQUESTERS.values())),
    action=st.sampled_from(ACTIONS),
    resource=st.sampled_from([*RESOURCES, "*"]),
    context=CONTEXTS.map(RequestContext),
    resource_account=st.sampled_from([None, ACCOUNT, OTHER]),
)
KINDS = st.sampled_from(PolicyKind)
quick = settings(max_examples=150, deadline=None)


def with_added(found: PolicySet, kind: PolicyKind, added: CompiledPolicy) -> PolicySet:
    """The set with one more policy of a kind that it has several of, else among the identity's."""
    match kind:
        case PolicyKind.SESSION if found.session is not None:
            return replace(found, session=(*found.session, added))
        case PolicyKind.SERVICE_CONTROL if found.service_control:
            return replace(found, service_control=((*found.service_control[0], added), *found.service_control[1:]))
        case _:
            return replace(found, identity=(*found.identity, added))


@quick
@given(SETS, REQUESTS, KINDS, statements())
def test_an_added_deny_never_allows(found: PolicySet, request: Request, kind: PolicyKind, more: list[Json]) -> None:
    denies = policy(*({**statement, "Effect": "Deny"} for statement in more))
    if not evaluate(request, found).allowed:
        assert not evaluate(request, with_added(found, kind, denies)).allowed


@quick
@given(st.lists(statements(), min_size=1, max_size=3), statements(principals=True), REQUESTS, st.data())
def test_a_removed_allow_never_allows(
    identity: list[list[Json]], resource: list[Json], request: Request, data: st.DataObject
) -> None:
    kept = [[s for s in found if s["Effect"] == "Deny" or data.draw(st.booleans())] for found in identity]
    kept_resource = [s for s in resource if s["Effect"] == "Deny" or data.draw(st.booleans())]

    def compiled(lists: list[list[Json]], of_resource: list[Json]) -> PolicySet:
        return PolicySet(
            identity=tuple(policy(*found) for found in lists if found),
            resource=policy(*of_resource, kind=PolicyKind.RESOURCE) if of_resource else None,
        )

    if not evaluate(request, compiled(identity, resource)).allowed:
        assert not evaluate(request, compiled(kept, kept_resource)).allowed


@quick
@given(st.lists(statements(), max_size=3), statements(principals=True), REQUESTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(
    identity: list[list[Json]], resource: list[Json], request: Request, rng: random.Random
) -> None:
    def shuffled(found: list[Json]) -> list[Json]:
        return rng.sample(found, len(found))

    before = PolicySet(
        identity=tuple(policy(*s) for s in identity), resource=policy(*resource, kind=PolicyKind.RESOURCE)
    )
    after = PolicySet(
        identity=tuple(policy(*shuffled(s)) for s in rng.sample(identity, len(identity))),
        resource=policy(*shuffled(resource), kind=PolicyKind.RESOURCE),
    )
    assert evaluate(request, before).decision is evaluate(request, after).decision


LIMITS: dict[str, Callable[[PolicySet, CompiledPolicy], PolicySet]] = {
    "boundary": lambda found, limit: replace(found, boundary=limit),
    "session": lambda found, limit: replace(found, session=(limit,)),
    "service control": lambda found, limit: replace(found, service_control=(*found.service_control, (limit,))),
}


@quick
@given(SETS, REQUESTS, st.sampled_from(sorted(LIMITS)), policies_of(PolicyKind.BOUNDARY))
def test_a_limit_never_widens(found: PolicySet, request: Request, name: str, limit: CompiledPolicy) -> None:
    session = found.session
    if request.requester is REQUESTERS["federated"] and session is None:
        session = (policy(allow()),)
    before = replace(found, boundary=None, session=session if name != "session" else None)
    if request.requester is REQUESTERS["federated"] and name == "session":
        return  # a federated user has nothing without a session's policy, so passing one is what grants
    if not evaluate(request, before).allowed:
        assert not evaluate(request, LIMITS[name](before, limit)).allowed


@quick
@given(SETS, REQUESTS)
def test_decisions_are_repeatable_and_explained(found: PolicySet, request: Request) -> None:
    verdict = evaluate(request, found)
    assert verdict == evaluate(request, found)
    if verdict.decision is Decision.EXPLICIT_DENY:
        assert verdict.statement is not None
    if verdict.decision is not Decision.ALLOWED:
        assert verdict.kind is not None


@quick
@given(SETS, REQUESTS, st.sampled_from(["x:k", "x:m", "x:n"]))
def test_a_key_that_nothing_reads_makes_no_difference(found: PolicySet, request: Request, key: str) -> None:
    rest = {name: value for name, value in request.context.given.items() if name.lower() != key}
    without = msgspec.structs.replace(request, context=RequestContext(rest))
    if key not in found.keys(request.action):
        assert evaluate(without, found) == evaluate(request, found)
