"""How each protocol family words a refusal.

Source: the "Common errors" pages of the services, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

from typing import Literal

from roadstead.access.authorization_message import with_encoded
from roadstead.access.errors import AccessDenied, AuthenticationError, AuthenticationFailure
from roadstead.gateway.protocols.codec import Failure

Family = Literal["json", "rest-json", "query", "ec2", "cbor", "rest-xml"]
F = AuthenticationFailure


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
_S3 = {
    F.MISSING: ("AccessDenied", 403, "Access Denied"),
    F.INCOMPLETE: ("AuthorizationHeaderMalformed", 400, None),
    F.UNKNOWN_KEY: ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    F.INVALID_TOKEN: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    F.EXPIRED_TOKEN: ("ExpiredToken", 400, "The provided token has expired."),
    F.SIGNATURE_MISMATCH: (
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    ),
    F.EXPIRED_SIGNATURE: (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
    ),
    F.BAD_SCOPE: ("AuthorizationHeaderMalformed", 400, None),
}
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; None where the message says what is wrong."""
_MISSING = "Request is missing Authentication Token"
_EC2_NOT_VALID = "AWS was not able to validate the provided access credentials"


def in_s3s_words(error: AccessDenied) -> str:
    """A denial as S3 words it: with the resource in quotation marks."""
    return error.message.replace(f" on resource: {error.resource} ", f' on resource: "{error.resource}" ', 1)


def authentication_failure(error: AuthenticationError, family: str) -> Failure:
    """The answer to a request whose signature does not hold."""
    if family == "ec2":
        return _ec2_authentication(error)
    if family == "query":
        message = _MISSING if error.failure is F.MISSING else error.message
        return Failure(_QUERY[error.failure], 400 if error.failure is F.INCOMPLETE else 403, message)
    if family == "rest-xml":
        code, status, text = _S3[error.failure]
        return Failure(code, status, text or error.message)
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
    own = in_s3s_words(error) if family == "rest-xml" else error.message
    message = with_encoded(own, encoded)
    if family == "ec2":
        return Failure("UnauthorizedOperation", 403, f"You are not authorized to perform this operation. {message}")
    if family in ("query", "rest-xml"):
        return Failure("AccessDenied", 403, message)
    return Failure("AccessDeniedException", 403 if family == "rest-json" else 400, message)
