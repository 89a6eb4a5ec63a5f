"""The principal of a request as a policy sees it.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.core.policy.principals import Requester, RequesterKind

_TYPES = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ASSUMED_ROLE: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.WEB_IDENTITY: "Anonymous",
}
_KINDS = {
    PrincipalKind.ROOT: RequesterKind.ROOT,
    PrincipalKind.USER: RequesterKind.USER,
    PrincipalKind.ASSUMED_ROLE: RequesterKind.ROLE_SESSION,
    PrincipalKind.FEDERATED_USER: RequesterKind.FEDERATED_USER,
    PrincipalKind.WEB_IDENTITY: RequesterKind.IDENTITY_PROVIDER,
}


def requester_of(principal: Principal) -> Requester:
    """The caller as the decision knows it."""
    return Requester(
        kind=_KINDS[principal.kind],
        arn=str(principal.arn),
        account=principal.account,
        identity_arn=str(principal.identity_arn),
        unique_id=principal.unique_id,
    )


def principal_keys(principal: Principal, tags: Mapping[str, str] | None = None) -> dict[str, str]:
    """The condition keys that follow from who asks.

    `tags` are those of the user or role; tags of the session stand before them. `aws:PrincipalArn` of a role's session is the role.
    No service calls another in a caller's name, so `aws:ViaAWSService` is false and `aws:CalledVia` absent.
    """
    of_role = principal.kind is PrincipalKind.ASSUMED_ROLE
    keys = {
        "aws:PrincipalArn": str(principal.identity_arn if of_role else principal.arn),
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalType": _TYPES[principal.kind],
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:userid": principal.user_id,
    }
    if principal.kind is PrincipalKind.USER:
        keys["aws:username"] = principal.arn.resource.rsplit("/", 1)[-1]
    if principal.issued_at is not None:
        keys["aws:TokenIssueTime"] = _to_the_millisecond(principal.issued_at)
    if principal.source_identity is not None:
        keys["aws:SourceIdentity"] = principal.source_identity
    if principal.federated_provider is not None:
        keys["aws:FederatedProvider"] = principal.federated_provider
    keys.update((f"aws:PrincipalTag/{key}", value) for key, value in all_tags(principal, tags or {}).items())
    return keys


def time_keys(now: datetime) -> Mapping[str, str]:
    """The condition keys of the time, to the second."""
    return _second(int(now.timestamp()))


@lru_cache(maxsize=2)
def _second(epoch: int) -> Mapping[str, str]:
    moment = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"aws:CurrentTime": moment, "aws:EpochTime": str(epoch)}


def all_tags(principal: Principal, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a principal's identity, with those of its session before them; their keys don't mind the case."""
    session = {key.lower() for key in principal.session_tags}
    return {**{key: value for key, value in tags.items() if key.lower() not in session}, **principal.session_tags}


def mfa_keys(principal: Principal, now: datetime) -> dict[str, str]:
    """The condition keys of an MFA code that was shown when the session began; none for a long-term key.

    A role's session has none of the code with which it was opened, as AWS documents it.
    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    """
    if principal.issued_at is None:
        return {}
    if principal.mfa_at is None:
        return {"aws:MultiFactorAuthPresent": "false"}
    age = max(0, int((now - principal.mfa_at).total_seconds()))
    return {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": str(age)}


def _to_the_millisecond(moment: datetime) -> str:
    """A policy that revokes older sessions names the time of its making to the millisecond."""
    seconds = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}.{moment.microsecond // 1000:03}Z" if moment.microsecond >= 1000 else f"{seconds}Z"
