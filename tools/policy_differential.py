"""Compare our policy decisions with those of the npm package @cloud-copilot/iam-simulate, on random policies and requests.

For development only; nothing of that package is shipped or needed by the tests. Run it so:

    npm install --prefix DIR @cloud-copilot/iam-simulate
    python tools/policy_differential.py DIR --cases 20000

Differences are printed as JSON, grouped by the two answers. docs/decisions/0006-policy-evaluation.md lists what the two are known to see
differently; the cases made here leave that out where it can be left out.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from roadstead.core.policy.compile import CompiledPolicy, Request
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.document import PolicyShape, parse_policy
from roadstead.core.policy.evaluate import Decision, PolicySet, evaluate
from roadstead.core.policy.principals import Requester, RequesterKind
from roadstead.core.policy.trace import PolicyKind, PolicySource

ACCOUNT, OTHER = "111122223333", "444455556666"
USER = f"arn:aws:iam::{ACCOUNT}:user/ann"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/builder"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/builder/s1"
FEDERATED = f"arn:aws:sts::{ACCOUNT}:federated-user/ann"
REQUESTERS = [
    Requester(RequesterKind.USER, USER, ACCOUNT, USER),
    Requester(RequesterKind.ROLE_SESSION, SESSION, ACCOUNT, ROLE),
    Requester(RequesterKind.FEDERATED_USER, FEDERATED, ACCOUNT, USER),
    Requester(RequesterKind.SERVICE, "ecs-tasks.amazonaws.com"),
]
ACTIONS = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage", "ecr:PutImage"]
ACTION_PATTERNS = ["*", "s3:*", "S3:getobject", "s3:Get*", "s3:?etObject", "sqs:SendMessage", "ecr:*", "ecr:Put*"]
RESOURCES = [
    "arn:aws:s3:::bucket/ann/key",
    "arn:aws:s3:::bucket/a*b",
    f"arn:aws:sqs:eu-west-1:{ACCOUNT}:queue",
    f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/a:b",
]
RESOURCE_PATTERNS = [
    *RESOURCES,
    "*",
    "arn:aws:s3:::bucket/*",
    "arn:aws:s3:::*/key",
    "arn:aws:s3:::bucket/a${*}b",
    "arn:aws:s3:::bucket/${aws:username}/*",
    "arn:aws:s3:::bucket/${aws:PrincipalTag/none, 'ann'}/k?y",
    "arn:aws:s3:::bucket/${aws:PrincipalTag/none}*",
    "arn:aws:sqs:*:*:q*",
    f"arn:aws:ecr:eu-*:{ACCOUNT}:repository/*",
]
PRINCIPALS: list[object] = [
    "*",
    {"AWS": "*"},
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    {"AWS": OTHER},
    {"AWS": USER},
    {"AWS": ROLE},
    {"AWS": [SESSION, OTHER]},
    {"AWS": FEDERATED},
    {"Service": "ecs-tasks.amazonaws.com"},
    {"Service": "ec2.amazonaws.com"},
]
VALUES: dict[str, tuple[list[str], list[str]]] = {
    # operator: values of a policy, values of a request
    "StringEquals": (["a", "B", "a*", "${aws:username}", "${x:none, 'a'}"], ["a", "b", "ann", "a*"]),
    "StringNotEquals": (["a", "${aws:username}"], ["a", "b", "ann"]),
    "StringEqualsIgnoreCase": (["A", "b", "${aws:username}"], ["a", "B", "ANN"]),
    "StringNotEqualsIgnoreCase": (["A", "b"], ["a", "c"]),
    "StringLike": (["a*", "?", "*n*", "${aws:username}*", "A*", "a${*}"], ["a", "ann", "annex", "b", "a*"]),
    "StringNotLike": (["a*", "?b"], ["a", "ab", "c"]),
    "NumericEquals": (["10", "2.5"], ["10", "10.0", "2.5", "x", "-1"]),
    "NumericNotEquals": (["10"], ["10", "11"]),
    "NumericLessThan": (["10"], ["9.9", "10", "x"]),
    "NumericLessThanEquals": (["10"], ["10", "11"]),
    "NumericGreaterThan": (["10", "-5"], ["10", "11", "-6"]),
    "NumericGreaterThanEquals": (["10"], ["10", "9"]),
    "DateEquals": (["2020-01-01T00:00:00Z", "2020-01-01"], ["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]),
    "DateNotEquals": (["2020-01-01T00:00:00Z"], ["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]),
    "DateLessThan": (["2020-01-01T00:00:00Z"], ["2019-12-31T23:59:59Z", "2020-01-01T00:00:00Z"]),
    "DateLessThanEquals": (["2020-01-01T00:00:00Z"], ["2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"]),
    "DateGreaterThan": (["2020-01-01T00:00:00Z"], ["2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"]),
    "DateGreaterThanEquals": (["2020-01-01T00:00:00Z"], ["2020-01-01T00:00:00Z", "2019-12-31T23:59:59Z"]),
    "Bool": (["true", "false"], ["true", "false", "True", "x"]),
    "BinaryEquals": (["QUJD"], ["QUJD", "QUJE"]),
    "IpAddress": (
        ["10.0.0.0/8", "192.168.1.1", "2001:db8::/32"],
        ["10.1.2.3", "192.168.1.1", "192.168.1.2", "2001:db8::1", "2001:db9::1"],
    ),
    "NotIpAddress": (["10.0.0.0/8", "2001:db8::/32"], ["10.1.2.3", "11.1.1.1", "2001:db8::1"]),
    "ArnEquals": (
        ["arn:aws:iam::*:user/*", USER, "arn:aws:iam::*:user/${aws:username}"],
        [USER, ROLE, "arn:aws:iam::1:user/a:b"],
    ),
    "ArnLike": (["arn:aws:iam::*:role/b*", "arn:aws:*:*:*:*"], [USER, ROLE, "arn:aws:sns:us-east-1:1:t"]),
    "ArnNotEquals": ([USER], [USER, ROLE]),
    "ArnNotLike": (["arn:aws:iam::*:user/*"], [USER, ROLE]),
}


def condition(rng: random.Random, *, arrays: bool) -> dict[str, dict[str, list[str]]]:
    """One random condition; its key names the operator, so that a request can have fitting values."""
    name = rng.choice(list(VALUES))
    if rng.random() < 0.1:
        return {"Null": {f"x:{name}": [rng.choice(["true", "false"])]}}
    prefix = rng.choice(["", "ForAllValues:", "ForAnyValue:"]) if arrays else ""
    key = f"x:Set{name}" if prefix else f"x:{name}"
    suffix = "" if prefix == "ForAnyValue:" else rng.choice(["", "", "IfExists"])
    return {f"{prefix}{name}{suffix}": {key: rng.sample(VALUES[name][0], rng.randint(1, min(2, len(VALUES[name][0]))))}}


def statement(rng: random.Random, *, principals: bool, deny: float) -> dict[str, object]:
    """One random statement."""
    no, no_resource = rng.random() < 0.1, rng.random() < 0.1
    resources = [r for r in RESOURCE_PATTERNS if not no_resource or "${" not in r]
    found: dict[str, object] = {
        "Effect": "Deny" if rng.random() < deny else "Allow",
        "NotAction" if no else "Action": rng.sample(ACTION_PATTERNS, rng.randint(1, 2)),
        "NotResource" if no_resource else "Resource": rng.sample(resources, rng.randint(1, 3)),
    }
    if rng.random() < 0.6:
        found["Condition"] = {k: v for _ in range(rng.randint(1, 2)) for k, v in condition(rng, arrays=True).items()}
    if principals:
        found["Principal"] = rng.choice(PRINCIPALS)
    return found


def document(rng: random.Random, *, principals: bool = False, deny: float = 0.2) -> dict[str, object]:
    """One random policy."""
    return {
        "Version": "2012-10-17",
        "Statement": [statement(rng, principals=principals, deny=deny) for _ in range(rng.randint(1, 4))],
    }


def limit(rng: random.Random) -> dict[str, object]:
    """A policy that mostly lets pass: for boundaries, sessions and service control."""
    if rng.random() < 0.5:
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    return document(rng, deny=0.1)


def context(rng: random.Random, requester: Requester) -> dict[str, str | list[str]]:
    """Random values for the keys that conditions ask for."""
    keys: dict[str, str | list[str]] = {}
    for name, (_, actual) in VALUES.items():
        if rng.random() < 0.7:
            keys[f"x:{name}"] = rng.choice(actual)
        if rng.random() < 0.7:
            keys[f"x:Set{name}"] = rng.sample(actual, rng.randint(1, 2))
    if requester.kind is RequesterKind.USER:
        keys["aws:username"] = "ann"
    return keys


def case(rng: random.Random) -> dict[str, object]:
    """One simulation, in the package's own shape, with the requester's index."""
    index = rng.randrange(len(REQUESTERS))
    who = REQUESTERS[index]
    of_entity = who.kind is not RequesterKind.SERVICE
    of_session = who.kind in (RequesterKind.ROLE_SESSION, RequesterKind.FEDERATED_USER)
    found: dict[str, object] = {
        "requester": index,
        "request": {
            "principal": who.arn,
            "action": rng.choice(ACTIONS),
            "resource": {"resource": rng.choice(RESOURCES), "accountId": rng.choice([ACCOUNT, ACCOUNT, OTHER])},
            "contextVariables": context(rng, who),
        },
        "identityPolicies": [{"name": f"i{n}", "policy": document(rng)} for n in range(rng.randint(0, 3))]
        if of_entity
        else [],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
    }
    if of_entity and rng.random() < 0.3:
        found["serviceControlPolicies"] = [
            {"orgIdentifier": f"o{n}", "policies": [{"name": "scp", "policy": limit(rng)}]}
            for n in range(rng.randint(1, 2))
        ]
    if rng.random() < 0.5:
        found["resourcePolicy"] = document(rng, principals=True, deny=0.1)
    if of_entity and rng.random() < 0.3:
        found["permissionBoundaryPolicies"] = [{"name": "b", "policy": limit(rng)}]
    if of_session and rng.random() < 0.5:
        found["sessionPolicy"] = limit(rng)
    return found


def compiled(value: object, kind: PolicyKind) -> CompiledPolicy:
    """A policy of a case."""
    shape = PolicyShape.RESOURCE if kind is PolicyKind.RESOURCE else PolicyShape.IDENTITY
    return CompiledPolicy(parse_policy(json.dumps(value), shape=shape), PolicySource(kind=kind))


def ours(found: dict[str, object]) -> str:
    """Our decision, in the package's words."""
    data = json.loads(json.dumps(found))
    request = data["request"]
    boundary, session, resource = (
        data.get("permissionBoundaryPolicies"),
        data.get("sessionPolicy"),
        data.get("resourcePolicy"),
    )
    policies = PolicySet(
        identity=tuple(compiled(p["policy"], PolicyKind.IDENTITY) for p in data["identityPolicies"]),
        boundary=compiled(boundary[0]["policy"], PolicyKind.BOUNDARY) if boundary else None,
        session=(compiled(session, PolicyKind.SESSION),) if session else None,
        service_control=tuple(
            tuple(compiled(p["policy"], PolicyKind.SERVICE_CONTROL) for p in level["policies"])
            for level in data["serviceControlPolicies"]
        ),
        resource=compiled(resource, PolicyKind.RESOURCE) if resource else None,
    )
    verdict = evaluate(
        Request(
            REQUESTERS[int(data["requester"])],
            request["action"],
            request["resource"]["resource"],
            RequestContext(request["contextVariables"]),
            resource_account=request["resource"]["accountId"],
        ),
        policies,
    )
    return {
        Decision.ALLOWED: "Allowed",
        Decision.EXPLICIT_DENY: "ExplicitlyDenied",
        Decision.IMPLICIT_DENY: "ImplicitlyDenied",
    }[verdict.decision]


def main() -> int:
    """Print the differences; the exit status says whether there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", help="where the package is installed: the directory that has node_modules")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=2, help="cases shown of each kind of difference")
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311 - test data
    cases = [case(rng) for _ in range(options.cases)]
    answers = subprocess.run(
        ["node", str(Path(__file__).with_name("policy_simulator.mjs")), options.directory],
        input="".join(f"{json.dumps(c)}\n" for c in cases),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    agreed: Counter[str] = Counter()
    differences: Counter[str] = Counter()
    for found, answer in zip(cases, answers, strict=True):
        mine, theirs = ours(found), str(json.loads(answer))
        if mine == theirs:
            agreed[mine] += 1
            continue
        kind = f"{REQUESTERS[int(str(found['requester']))].kind}: ours {mine}, theirs {theirs}"
        differences[kind] += 1
        if differences[kind] <= options.show:
            print(kind, json.dumps(found, indent=1), sep="\n")
    print(json.dumps({"agreed": agreed, "different": differences}, indent=1))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
