"""S3's errors (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""

from __future__ import annotations

from typing import ClassVar

from roadstead.kernel.errors import ServiceError


class S3Error(ServiceError):
    """The request is not one that S3 would carry out."""


class InvalidBucketName(S3Error):
    """The name is not one of a bucket."""


class InvalidURI(S3Error):
    """The path can't be read."""


class InvalidArgument(S3Error):
    """A parameter or header can't be read."""


class InvalidRequest(S3Error):
    """The request lacks something, or is signed in a way that is not supported."""


class MethodNotAllowed(S3Error):
    """There is no operation of this method here."""

    status = 405


class MissingContentLength(S3Error):
    """The length of the body has to be known before it comes."""

    status = 411


class MalformedXML(S3Error):
    """The body is not of the operation's shape."""


class IncompleteBody(S3Error):
    """The body is shorter than was said, or its chunks are not what they say."""


class MalformedTrailerError(S3Error):
    """The trailer of the body can't be read."""


class EntityTooLarge(S3Error):
    """The body, or a signed part of it, is longer than can be taken."""


class RequestTimeout(S3Error):
    """The client sent nothing for too long."""


class SignatureDoesNotMatch(S3Error):
    """A part of the body is not what was signed."""

    status = 403


class ContentSHA256Mismatch(S3Error):
    """The body is not the one whose hash was signed."""

    code: ClassVar[str] = "XAmzContentSHA256Mismatch"

    @classmethod
    def between(cls, claimed: str, computed: str) -> ContentSHA256Mismatch:
        """The error for these two hashes."""
        text = "The provided 'x-amz-content-sha256' header does not match what was computed."
        return cls(text, members={"ClientComputedContentSHA256": claimed, "S3ComputedContentSHA256": computed})


class HeadersNotSigned(S3Error):
    """A presigned URL came with headers that whoever signed it knew nothing of."""

    code: ClassVar[str] = "AccessDenied"
    status = 403


class RequestExpired(S3Error):
    """A presigned URL's time is over."""

    code: ClassVar[str] = "AccessDenied"
    status = 403


class AuthorizationQueryParametersError(S3Error):
    """The signature in a presigned URL can't be read."""
