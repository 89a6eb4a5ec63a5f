"""Why a caller was not let in. Each edge words these in its own protocol."""

from __future__ import annotations

from enum import StrEnum

from roadstead.access.decided import Decided
from roadstead.access.principal import PrincipalKind
from roadstead.core.policy.explain import denial
from roadstead.core.policy.trace import Verdict
from roadstead.kernel.arn import Arn


class AuthenticationFailure(StrEnum):
    """The ways in which a signature can fail."""

    MISSING = "missing"
    INCOMPLETE = "incomplete"
    UNKNOWN_KEY = "unknown-key"
    INVALID_TOKEN = "invalid-token"
    EXPIRED_TOKEN = "expired-token"
    SIGNATURE_MISMATCH = "signature-mismatch"
    EXPIRED_SIGNATURE = "expired-signature"
    BAD_SCOPE = "bad-scope"


class AuthenticationError(Exception):
    """The caller is not who it says, or says nothing; `message` is AWS's own wording."""

    def __init__(self, failure: AuthenticationFailure, message: str) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message


class AccessDenied(Exception):
    """The caller may not do this. `message` names principal, action, resource and the kind of policy, as AWS words it.

    A web identity, of whom nothing is known here, is told the action only.

    `verdict` holds what else is known of the reasons; it is for the operator, not for the caller. `decided` is the decision over all of
    the request's resources, where there was one.
    """

    def __init__(
        self, principal: Arn, action: str, resource: str, verdict: Verdict, decided: Decided | None = None
    ) -> None:
        self.message = denial(str(principal), action, resource, verdict)
        if decided is not None and decided.principal.kind is PrincipalKind.WEB_IDENTITY:
            self.message = f"Not authorized to perform {action}"
        self.action = action
        self.resource = resource
        self.verdict = verdict
        self.decided = decided
        super().__init__(self.message)
