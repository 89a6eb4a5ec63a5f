"""IAM's errors, by their modeled names."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class EntityAlreadyExistsException(ServiceError):
    """An entity of this name exists already."""


class NoSuchEntityException(ServiceError):
    """No entity of this name exists."""


class DeleteConflictException(ServiceError):
    """The entity still has something attached."""


class MalformedPolicyDocumentException(ServiceError):
    """The policy does not follow the grammar."""


class LimitExceededException(ServiceError):
    """A quota of the account is used up."""


class InvalidInputException(ServiceError):
    """A parameter is well-formed and makes no sense."""


class UnmodifiableEntityException(ServiceError):
    """The entity belongs to a service of AWS, which alone may change it."""


class PolicyNotAttachableException(ServiceError):
    """The policy is meant for roles of AWS's services only."""


class PasswordPolicyViolationException(ServiceError):
    """The password does not follow the account's password policy."""


class InvalidUserTypeException(ServiceError):
    """The caller is no IAM user."""


class InvalidAuthenticationCodeException(ServiceError):
    """The MFA device does not show these codes."""


class CredentialReportNotPresentException(ServiceError):
    """No credential report was ever generated."""


class CredentialReportExpiredException(ServiceError):
    """The last credential report is too old."""


class OpenIdIdpCommunicationErrorException(ServiceError):
    """The identity provider can't be reached."""


class FeatureEnabledException(ServiceError):
    """The account vends tokens already."""

    status = 409


class FeatureDisabledException(ServiceError):
    """The account vends no tokens."""

    status = 404


class AccessDenied(ServiceError):
    """What IAM allows to nobody, whatever the policies say; query services use this code."""

    status = 403
