"""What the sender of a request to S3 must be allowed, and the condition keys of the request.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html and, for the keys,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from roadstead.core.forwarding.s3.actions import action_of
from roadstead.core.forwarding.s3.errors import InvalidArgument
from roadstead.core.forwarding.s3.places import Place, copy_source

Keys = dict[str, str | Sequence[str]]

_HEADER_KEYS = (
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-annotation-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
)
_LOCK_KEYS = {
    "x-amz-object-lock-mode": "s3:object-lock-mode",
    "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold",
}
_LISTING_KEYS = ("prefix", "delimiter", "max-keys")
_CREATES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
_TAGS_IN_BODY = frozenset({"PutObjectTagging"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to S3, taken apart. `tags` and `location` are what its body says, where it is of an operation that has such."""

    operation: str
    place: Place
    query: Mapping[str, str]
    headers: Mapping[str, str]
    tags: Mapping[str, str] | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """One action on resources, by their ARNs, with the condition keys that hold for it."""

    action: str
    resources: tuple[str, ...]
    keys: Keys = field(default_factory=dict[str, "str | Sequence[str]"])


def needs_of(asked: Asked) -> list[Need]:
    """Everything that must be allowed, the operation's own action first; DeleteObjects has its keys in its body, see `needs_of_deletion`.

    Raises InvalidArgument.
    """
    headers, operation = asked.headers, asked.operation
    version = asked.query.get("versionId")
    arns = asked.place.arns()
    keys = _keys(asked, version)
    actions = [action_of(operation, versioned=version is not None)]
    if operation == "GetObjectAttributes":
        actions.insert(0, action_of("GetObject", versioned=version is not None))
    if operation in _CREATES:
        actions.extend(_with_the_object(headers))
    if operation == "CreateBucket":
        actions.extend(_with_the_bucket(headers))
    if headers.get("x-amz-bypass-governance-retention", "").lower() == "true":
        actions.append("BypassGovernanceRetention")
    needs = [Need(f"s3:{action}", arns, keys) for action in actions]
    source = headers.get("x-amz-copy-source")
    if source is not None and operation in ("CopyObject", "UploadPartCopy"):
        needs.append(_reading(copy_source(source)))
    return needs


def needs_of_deletion(place: Place, headers: Mapping[str, str]) -> list[Need]:
    """What must be allowed for one of the objects of DeleteObjects."""
    query = {"versionId": place.version} if place.version is not None else {}
    return needs_of(Asked("DeleteObjects", place, query, headers))


def check_prefix(query: Mapping[str, str]) -> None:
    """Refuse a prefix that a server which keeps objects as files could take for another directory; raises InvalidArgument."""
    prefix = query.get("prefix", "")
    if {".", ".."} & set(prefix.split("/")):
        raise InvalidArgument("A prefix with dot segments is not passed on.")


def _reading(source: Place) -> Need:
    versioned = source.version is not None
    keys: Keys = {"s3:VersionId": source.version} if source.version is not None else {}
    return Need(f"s3:{action_of('GetObject', versioned=versioned)}", source.arns(), keys)


def _with_the_object(headers: Mapping[str, str]) -> Iterable[str]:
    if "x-amz-tagging" in headers:
        yield "PutObjectTagging"
    if _sets_acl(headers):
        yield "PutObjectAcl"
    if "x-amz-object-lock-mode" in headers or "x-amz-object-lock-retain-until-date" in headers:
        yield "PutObjectRetention"
    if "x-amz-object-lock-legal-hold" in headers:
        yield "PutObjectLegalHold"


def _with_the_bucket(headers: Mapping[str, str]) -> Iterable[str]:
    if _sets_acl(headers):
        yield "PutBucketAcl"
    if headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
        yield from ("PutBucketObjectLockConfiguration", "PutBucketVersioning")
    if "x-amz-object-ownership" in headers:
        yield "PutBucketOwnershipControls"


def _sets_acl(headers: Mapping[str, str]) -> bool:
    return "x-amz-acl" in headers or any(name.startswith("x-amz-grant-") for name in headers)


def _keys(asked: Asked, version: str | None) -> Keys:
    headers, query = asked.headers, asked.query
    keys: Keys = {f"s3:{name}": headers[name] for name in _HEADER_KEYS if name in headers}
    keys.update((key, headers[name]) for name, key in _LOCK_KEYS.items() if name in headers)
    if asked.operation.startswith("List"):
        keys.update((f"s3:{name}", query[name]) for name in _LISTING_KEYS if name in query)
    if version is not None:
        keys["s3:VersionId"] = version
    if asked.location is not None:
        keys["s3:LocationConstraint"] = asked.location
    tags = asked.tags if asked.operation in _TAGS_IN_BODY else None
    if "x-amz-tagging" in headers:
        tags = dict(parse_qsl(headers["x-amz-tagging"], keep_blank_values=True))
    if tags is not None:
        keys["s3:RequestObjectTagKeys"] = tuple(tags)
        keys.update((f"s3:RequestObjectTag/{name}", value) for name, value in tags.items())
    elif asked.tags is not None:
        keys["aws:TagKeys"] = tuple(asked.tags)
        keys.update((f"aws:RequestTag/{name}", value) for name, value in asked.tags.items())
    return keys
