"""What an asker remembers of its decisions never changes one."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.policy.policies import ACCOUNT, USER, allow, policy
from tests.unit.core.policy.test_properties import REQUESTS, SETS, quick

from roadstead.access.asker import Asker
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.core.policy.compile import Request
from roadstead.core.policy.context import Keys, RequestContext
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.kernel.arn import Arn

ANN = Arn.parse(USER.arn)
PRINCIPAL = Principal(PrincipalKind.USER, ACCOUNT, ANN, ANN, "AIDA", "AKIA")


def asker_with(policies: PolicySet) -> Asker:
    return Asker(PRINCIPAL, USER, Keys(dict), policies)


@quick
@given(SETS, st.lists(REQUESTS, min_size=1, max_size=6))
def test_it_decides_as_the_policies_do(found: PolicySet, requests: list[Request]) -> None:
    asker = asker_with(replace(found, resource=None))
    for request in [*requests, *requests]:
        mine = msgspec.structs.replace(request, requester=USER)
        assert asker.decide(mine) == evaluate(mine, asker.policies)


def test_what_is_remembered_is_bounded() -> None:
    asker = asker_with(PolicySet(identity=(policy(allow("ecs:*", "arn:aws:ecs:*:*:task/c/*5")),)))
    for number in range(1000):
        resource = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/c/{number}"
        verdict = asker.decide(Request(USER, "ecs:StopTask", resource, RequestContext()))
        assert verdict.allowed is (number % 10 == 5)
    assert len(asker._verdicts) <= 32  # pyright: ignore[reportPrivateUsage] - nothing else shows it
