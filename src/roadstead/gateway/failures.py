"""How each protocol family words a refusal.

Source: the "Common errors" pages of the services, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roadstead.access.errors import AccessDenied, AuthenticationError, AuthenticationFailure

Family = Literal["json", "rest-json", "query", "ec2", "cbor"]
F = AuthenticationFailure


@dataclass(frozen=True, slots=True)
class Failure:
    """An error's AWS code, its HTTP status and what it says."""

    code: str
    status: int
    message: str


_JSON = {
    F.MISSING: "MissingAuthenticationTokenException",
    F.INCOMPLETE: "IncompleteSignatureException",
    F.UNKNOWN_KEY: "UnrecognizedClientException",
    F.INVALID_TOKEN: "UnrecognizedClientException",
    F.EXPIRED_TOKEN: "ExpiredTokenException",
    F.SIGNATURE_MISMATCH: "InvalidSignatureException",
    F.EXPIRED_SIGNATURE: "InvalidSignatureException",
    F.BAD_SCOPE: "InvalidSignatureException",
}
_QUERY = {
    F.MISSING: "MissingAuthenticationToken",
    F.INCOMPLETE: "IncompleteSignature",
    F.UNKNOWN_KEY: "InvalidClientTokenId",
    F.INVALID_TOKEN: "InvalidClientTokenId",
    F.EXPIRED_TOKEN: "ExpiredToken",
    F.SIGNATURE_MISMATCH: "SignatureDoesNotMatch",
    F.EXPIRED_SIGNATURE: "SignatureDoesNotMatch",
    F.BAD_SCOPE: "SignatureDoesNotMatch",
}
_MISSING = "Request is missing Authentication Token"
_EC2_NOT_VALID = "AWS was not able to validate the provided access credentials"


def authentication_failure(error: AuthenticationError, family: str) -> Failure:
    """The answer to a request whose signature does not hold."""
    if family == "ec2":
        return _ec2_authentication(error)
    if family == "query":
        message = _MISSING if error.failure is F.MISSING else error.message
        return Failure(_QUERY[error.failure], 400 if error.failure is F.INCOMPLETE else 403, message)
    return Failure(_JSON[error.failure], 403 if family == "rest-json" else 400, error.message)


def _ec2_authentication(error: AuthenticationError) -> Failure:
    if error.failure is F.MISSING:
        return Failure("MissingAuthenticationToken", 403, _MISSING)
    if error.failure is F.INCOMPLETE:
        return Failure("IncompleteSignature", 400, error.message)
    if error.failure in (F.EXPIRED_TOKEN, F.EXPIRED_SIGNATURE):
        return Failure("RequestExpired", 400, "Request has expired.")
    return Failure("AuthFailure", 401, _EC2_NOT_VALID)


def denial(error: AccessDenied, family: str, encoded: str | None) -> Failure:
    """The answer to a caller who may not do this; `encoded` is the message that DecodeAuthorizationMessage explains."""
    message = f"{error.message}. Encoded authorization failure message: {encoded}" if encoded else error.message
    if family == "ec2":
        return Failure("UnauthorizedOperation", 403, f"You are not authorized to perform this operation. {message}")
    if family == "query":
        return Failure("AccessDenied", 403, message)
    return Failure("AccessDeniedException", 403 if family == "rest-json" else 400, message)
