"""What temporary credentials can't be used for, whatever the policies say.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html
"""

from __future__ import annotations

from roadstead.access.errors import AuthenticationError, AuthenticationFailure
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.services.sts.errors import AccessDenied

_FOR_USERS_SESSIONS = frozenset({"AssumeRole", "GetCallerIdentity"})
_FOR_FEDERATED = frozenset({"GetCallerIdentity"})
_NOT_FOR_ROLES = frozenset({"GetSessionToken", "GetFederationToken"})
_INVALID = "The security token included in the request is invalid"


def check_credentials(principal: Principal, service: str, operation: str) -> None:
    """Return when the caller's kind of credentials may be used for an operation.

    Raises STS's AccessDenied; for IAM AuthenticationError, which calls such a token invalid, as AWS does.
    """
    if principal.issued_at is None:
        return
    if service == "sts" and not _may_call_sts(principal, operation):
        raise AccessDenied(f"Cannot call {operation} with session credentials")
    if service == "iam" and not _may_call_iam(principal):
        raise AuthenticationError(AuthenticationFailure.INVALID_TOKEN, _INVALID)


def _may_call_sts(principal: Principal, operation: str) -> bool:
    match principal.kind:
        case PrincipalKind.FEDERATED_USER:
            return operation in _FOR_FEDERATED
        case PrincipalKind.ASSUMED_ROLE:
            return operation not in _NOT_FOR_ROLES
        case _:
            return operation in _FOR_USERS_SESSIONS


def _may_call_iam(principal: Principal) -> bool:
    """A user's session can, when an MFA code was shown for it."""
    return principal.kind is PrincipalKind.ASSUMED_ROLE or (
        principal.kind is PrincipalKind.USER and principal.mfa_at is not None
    )
