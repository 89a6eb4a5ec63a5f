"""The principal of a request as a policy sees it.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.core.policy.principals import Requester, RequesterKind

_TYPES = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ASSUMED_ROLE: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
}
_KINDS = {
    PrincipalKind.ROOT: RequesterKind.ROOT,
    PrincipalKind.USER: RequesterKind.USER,
    PrincipalKind.ASSUMED_ROLE: RequesterKind.ROLE_SESSION,
    PrincipalKind.FEDERATED_USER: RequesterKind.FEDERATED_USER,
}


def requester_of(principal: Principal) -> Requester:
    """The caller as the decision knows it."""
    return Requester(
        kind=_KINDS[principal.kind],
        arn=str(principal.arn),
        account=principal.account,
        identity_arn=str(principal.identity_arn),
        unique_id=principal.user_id.partition(":")[0],
    )


def principal_keys(principal: Principal, now: datetime, tags: Mapping[str, str] | None = None) -> dict[str, str]:
    """The condition keys that follow from who asks, and when.

    `tags` are those of the user or role; tags of the session stand before them. `aws:PrincipalArn` of a role's session is the role.
    `aws:SecureTransport` is false: the server's listeners speak HTTP.
    """
    of_role = principal.kind is PrincipalKind.ASSUMED_ROLE
    keys = {
        "aws:PrincipalArn": str(principal.identity_arn if of_role else principal.arn),
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalType": _TYPES[principal.kind],
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:userid": principal.user_id,
        "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:SecureTransport": "false",
    }
    if principal.kind is PrincipalKind.USER:
        keys["aws:username"] = principal.arn.resource.rsplit("/", 1)[-1]
    if principal.issued_at is not None:
        keys["aws:TokenIssueTime"] = principal.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    keys.update(
        (f"aws:PrincipalTag/{key}", value) for key, value in ({**(tags or {}), **principal.session_tags}).items()
    )
    return keys
