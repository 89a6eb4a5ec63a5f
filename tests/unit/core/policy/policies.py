"""Short ways to write policies in tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from roadstead.core.policy.compile import CompiledPolicy, Request
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.document import PolicyShape, parse_policy
from roadstead.core.policy.principals import Requester, RequesterKind
from roadstead.core.policy.trace import Decision, PolicyKind, PolicySource

Json = Mapping[str, object]
ALLOWED, EXPLICIT, IMPLICIT = Decision.ALLOWED, Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY
ACCOUNT = "111122223333"
OTHER = "444455556666"
USER = Requester(
    RequesterKind.USER,
    f"arn:aws:iam::{ACCOUNT}:user/ann",
    ACCOUNT,
    f"arn:aws:iam::{ACCOUNT}:user/ann",
    "AIDAAAAAAAAAAAAAAAAA",
)
SESSION = Requester(
    RequesterKind.ROLE_SESSION,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/builder/s1",
    ACCOUNT,
    f"arn:aws:iam::{ACCOUNT}:role/team/builder",
    "AROAAAAAAAAAAAAAAAAA",
)
FEDERATED = Requester(
    RequesterKind.FEDERATED_USER,
    f"arn:aws:sts::{ACCOUNT}:federated-user/guest",
    ACCOUNT,
    f"arn:aws:iam::{ACCOUNT}:user/ann",
)
ROOT = Requester(RequesterKind.ROOT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
SERVICE = Requester(RequesterKind.SERVICE, "ecs-tasks.amazonaws.com")
ANONYMOUS = Requester(RequesterKind.ANONYMOUS)
REQUESTERS = {
    "user": USER,
    "session": SESSION,
    "federated": FEDERATED,
    "root": ROOT,
    "service": SERVICE,
    "anonymous": ANONYMOUS,
}


def document(*statements: Json, version: str = "2012-10-17") -> str:
    """The text of a policy."""
    return json.dumps({"Version": version, "Statement": list(statements)})


def policy(
    *statements: Json, kind: PolicyKind = PolicyKind.IDENTITY, name: str = "p", version: str = "2012-10-17"
) -> CompiledPolicy:
    """A compiled policy."""
    shapes = {PolicyKind.RESOURCE: PolicyShape.RESOURCE, PolicyKind.TRUST: PolicyShape.TRUST}
    parsed = parse_policy(document(*statements, version=version), shape=shapes.get(kind, PolicyShape.IDENTITY))
    return CompiledPolicy(parsed, PolicySource(name, kind))


def allow(action: str | Sequence[str] = "*", resource: str | Sequence[str] = "*", **more: object) -> Json:
    """An Allow."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | Sequence[str] = "*", resource: str | Sequence[str] = "*", **more: object) -> Json:
    """A Deny."""
    return {**allow(action, resource, **more), "Effect": "Deny"}


def ask(
    action: str = "s3:GetObject",
    resource: str = "arn:aws:s3:::bucket/key",
    who: Requester = USER,
    owner: str | None = None,
    **keys: str | Sequence[str],
) -> Request:
    """A request; keys are written with `__` for `:`."""
    context = RequestContext({key.replace("__", ":"): value for key, value in keys.items()})
    return Request(who, action, resource, context, resource_account=owner)


def ask_with(
    context: Mapping[str, str | Sequence[str]], action: str = "s3:GetObject", resource: str = "arn:aws:s3:::bucket/key"
) -> Request:
    """A request with any condition keys."""
    return Request(USER, action, resource, RequestContext(context))


FULL = policy(allow())
