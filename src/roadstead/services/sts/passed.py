"""What a caller passes to a new session: policies that limit it, tags, and how long it is to last.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html and access_policies.html#policies_session
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from roadstead.access.held import managed_document
from roadstead.access.resource import KeyValues
from roadstead.access.session_limits import SessionLimits, packed_percent
from roadstead.core.policy.document import MalformedPolicy, parse_policy
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.sts.errors import (
    InvalidParameterValue,
    MalformedPolicyDocumentException,
    PackedPolicyTooLargeException,
    ValidationError,
)
from roadstead.store import Transaction

PLAINTEXT_LIMIT = 2048
"""Characters of a session's inline policy and the ARNs of its managed ones together."""
MAX_POLICIES = 10
MAX_TAGS = 50


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    """The session tags that a request passes; raises InvalidParameterValue."""
    given: Sequence[Mapping[str, str]] = request.get("Tags") or ()
    return checked_tags((tag["Key"], tag["Value"]) for tag in given)


def checked_tags(given: Any) -> dict[str, str]:
    """Tags from pairs; raises InvalidParameterValue for keys that are reserved or equal but for their case."""
    found: dict[str, str] = {}
    for key, value in given:
        if key.lower().startswith("aws:"):
            raise InvalidParameterValue("aws: prefixed tag key names are not allowed for external use.")
        if key.lower() in {known.lower() for known in found}:
            raise InvalidParameterValue("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        found[key] = value
    return found


def tag_keys(tags: Mapping[str, str], transitive: Sequence[str] = ()) -> KeyValues:
    """The condition keys of tags that are passed."""
    keys: dict[str, str | Sequence[str]] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        keys["aws:TagKeys"] = list(tags)
    if transitive:
        keys["sts:TransitiveTagKeys"] = list(transitive)
    return keys


async def limits_of(
    tx: Transaction, account: str, request: Mapping[str, Any], tags: Mapping[str, str]
) -> SessionLimits:
    """The limits of a session of `account`, its policies checked and everything small enough.

    Raises MalformedPolicyDocument, PackedPolicyTooLarge and ValidationError.
    """
    inline: str | None = request.get("Policy")
    arns = [str(each["arn"]) for each in request.get("PolicyArns") or () if "arn" in each]
    if len(arns) > MAX_POLICIES:
        text = f"Member must have length less than or equal to {MAX_POLICIES}"
        raise ValidationError(
            f"1 validation error detected: Value at 'policyArns' failed to satisfy constraint: {text}"
        )
    if len(inline or "") + sum(map(len, arns)) > PLAINTEXT_LIMIT:
        raise PackedPolicyTooLargeException(
            f"The plaintext of the session policies has more than {PLAINTEXT_LIMIT} characters"
        )
    if inline is not None:
        _check(inline)
    for arn in arns:
        await _require(tx, account, arn)
    limits = SessionLimits((inline,) if inline is not None else (), tuple(arns), dict(tags))
    percent = packed_percent(limits)
    if percent > 100:
        raise PackedPolicyTooLargeException(f"Packed policy consumes {percent}% of allotted space")
    return limits


def packed_size(limits: SessionLimits) -> dict[str, object]:
    """The response's member that says how full the space is, where anything was passed."""
    return {"PackedPolicySize": packed_percent(limits)} if limits else {}


def _check(document: str) -> None:
    try:
        parse_policy(document)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from error


async def _require(tx: Transaction, account: str, text: str) -> None:
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise ValidationError(f"ARN {text} is not valid.") from error
    if arn.service != "iam" or not arn.resource.startswith("policy/") or arn.account not in ("aws", account):
        raise ValidationError(f"ARN {text} is not valid.")
    if await managed_document(tx, text) is None:
        raise ValidationError(f"Policy {text} does not exist or is not attachable.")
