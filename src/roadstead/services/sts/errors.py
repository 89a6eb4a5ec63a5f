"""STS's errors, by their modeled names, and the common ones that its operations use."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class MalformedPolicyDocumentException(ServiceError):
    """A session policy does not follow the grammar."""


class PackedPolicyTooLargeException(ServiceError):
    """Session policies and tags don't fit together."""


class InvalidIdentityTokenException(ServiceError):
    """The web identity token can't be validated."""


class IDPRejectedClaimException(ServiceError):
    """The token's claims are not acceptable."""


class IDPCommunicationErrorException(ServiceError):
    """The identity provider can't be reached; the client may try again."""


class ExpiredTokenException(ServiceError):
    """The web identity token has expired."""


class OutboundWebIdentityFederationDisabledException(ServiceError):
    """The account does not vend tokens."""

    status = 403


class SessionDurationEscalationException(ServiceError):
    """The token would outlive the session that asks for it."""

    status = 403


class JWTPayloadSizeExceededException(ServiceError):
    """The token would be too large."""


class ValidationError(ServiceError):
    """A parameter is out of the bounds that the role or the caller sets."""


class InvalidParameterValue(ServiceError):
    """Parameters don't fit each other."""


class AccessDenied(ServiceError):
    """What policies can't allow."""

    status = 403
