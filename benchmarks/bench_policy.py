"""Policy decisions a second, in one process and one thread, for a principal with ten policies of a managed policy's size.

Cold is from the documents' text: parsed, compiled, asked once. New action is compiled, asked for an action for the first time. Cached is
what a server does for every request after the first: compiled, asked again. A denial gathers its reasons, so it costs more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.support import machine_facts, print_facts, print_table

from roadstead.core.policy.compile import CompiledPolicy, Request
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.document import parse_policy
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.principals import Requester, RequesterKind

ACCOUNT = "111122223333"
USER = Requester(RequesterKind.USER, f"arn:aws:iam::{ACCOUNT}:user/ann", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann")
CLUSTER = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod"
CHARACTERS = 6144
"""The quota of a managed policy."""
KEYS = {
    "aws:username": "ann",
    "aws:PrincipalArn": USER.arn,
    "aws:PrincipalAccount": ACCOUNT,
    "aws:userid": "AIDAAAAAAAAAAAAAAAAA",
    "aws:CurrentTime": "2026-01-01T00:00:00Z",
    "aws:SourceIp": "10.1.2.3",
    "aws:RequestedRegion": "eu-west-1",
    "aws:PrincipalTag/Team": "yellow",
    "aws:ResourceTag/Team": "yellow",
    "ecs:cluster": CLUSTER,
}
SMALL = {"Effect": "Allow", "Action": "ecs:*", "Resource": f"arn:aws:ecs:*:{ACCOUNT}:cluster/*"}


def managed(number: int) -> str:
    """A policy that fills the quota, with actions of many services, and with conditions and variables in every fifth statement."""
    statements: list[dict[str, object]] = []
    while len(json.dumps(statements)) < CHARACTERS - 700:
        n = len(statements)
        service = "ecs" if n % 6 == 0 else f"service{n}"
        statement: dict[str, object] = {
            "Sid": f"Statement{n}",
            "Effect": "Allow",
            "Action": [f"{service}:{verb}Thing{i}" for i in range(4) for verb in ("Describe", "Update")]
            + [f"{service}:{verb}*" for verb in ("Get", "List", "Run")],
            "Resource": [
                f"arn:aws:{service}:*:{ACCOUNT}:thing/policy-{number}-{n}-*",
                f"arn:aws:{service}:eu-*:*:user/${{aws:username}}/*",
            ],
        }
        if n % 5 == 0:
            statement["Condition"] = {
                "StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team}"},
                "IpAddress": {"aws:SourceIp": ["192.168.0.0/16", "10.0.0.0/8"]},
            }
        statements.append(statement)
    if number == 9:
        statements.append(
            {
                "Effect": "Allow",
                "Action": "ecs:RunTask",
                "Resource": "*",
                "Condition": {"ArnLike": {"ecs:cluster": f"{CLUSTER}*"}},
            }
        )
    statements.append(
        {
            "Effect": "Deny",
            "Action": "ecs:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}},
        }
    )
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def microseconds(work: Callable[[int], object], times: int) -> float:
    """Processor time of one call, by the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        started = process_time()
        for n in range(times):
            work(n)
        best = min(best, process_time() - started)
    return best / times * 1e6


def compiled(texts: list[str]) -> PolicySet:
    """The policies of a principal from their texts."""
    return PolicySet(identity=tuple(CompiledPolicy(parse_policy(text)) for text in texts))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5000)
    times = parser.parse_args().times
    texts = [managed(n) for n in range(10)]
    ten = compiled(texts)
    small = compiled([json.dumps({"Version": "2012-10-17", "Statement": SMALL})])

    def ask(policies: PolicySet, action: str) -> bool:
        return evaluate(Request(USER, action, CLUSTER, RequestContext(KEYS)), policies).allowed

    assert ask(ten, "ecs:RunTask")
    assert not ask(ten, "ecs:DeleteCluster")
    measured = {
        "cold: ten policies parsed, compiled, asked": microseconds(
            lambda _: ask(compiled(texts), "ecs:RunTask"), max(times // 500, 2)
        ),
        "new action: ten policies": microseconds(lambda n: ask(ten, f"ecs:Run{n % 977}x{n}"), times),
        "cached: ten policies, allowed by the last": microseconds(lambda _: ask(ten, "ecs:RunTask"), times),
        "cached: ten policies, denied with reasons": microseconds(lambda _: ask(ten, "ecs:RunNothing"), times),
        "cached: ten policies, no statement acts": microseconds(lambda _: ask(ten, "sqs:SendMessage"), times),
        "cached: one small policy": microseconds(lambda _: ask(small, "ecs:RunTask"), times),
    }
    print_facts(machine_facts())
    print(
        f"ten policies of {sum(map(len, texts)) // 10} characters on average; every decision builds its request's context anew\n"
    )
    print_table(
        ["decision", "µs", "a second"], [[name, f"{us:.1f}", f"{1e6 / us:,.0f}"] for name, us in measured.items()]
    )


if __name__ == "__main__":
    main()
