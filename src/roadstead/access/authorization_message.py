"""The encoded authorization message of a denial: what a caller hands on to somebody who may know the reasons.

Sources: https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html and, for the form of the decoded document,
https://docs.aws.amazon.com/IAM/latest/UserGuide/sts_example_sts_DecodeAuthorizationMessage_section.html
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from roadstead.access.decided import Decided
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.sealing import ExpiredSeal, InvalidSeal, Sealer
from roadstead.core.policy.compile import Request
from roadstead.core.policy.elements import Statement
from roadstead.core.policy.trace import Decision, Verdict

PURPOSE = "authorization-message"
KEPT = timedelta(days=30)
MAX_LENGTH = 10240
"""Characters that DecodeAuthorizationMessage takes."""
_Items = dict[str, list[dict[str, object]]]


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """Whose it is, and the deflated document."""

    account: str
    document: bytes


def encoded_message(sealer: Sealer, decided: Decided, now: datetime) -> str | None:
    """The message for the principal who was denied; None in the odd case that it is longer than can be decoded again."""
    document = zlib.compress(msgspec.json.encode(_document(decided)), 6)
    sealed = sealer.seal(PURPOSE, _Sealed(decided.principal.account, document), now + KEPT)
    return sealed if len(sealed) <= MAX_LENGTH else None


def with_encoded(message: str, encoded: str | None) -> str:
    """A denial's sentence with its encoded message, as AWS joins them."""
    return f"{message}. Encoded authorization failure message: {encoded}" if encoded else message


def decoded_message(sealer: Sealer, message: str, account: str) -> str | None:
    """The JSON document of a message that was made for this account; None for anything else."""
    try:
        opened = sealer.open(PURPOSE, message, _Sealed)
    except (InvalidSeal, ExpiredSeal):
        return None
    return zlib.decompress(opened.document).decode() if opened.account == account else None


def _document(decided: Decided) -> dict[str, object]:
    request, verdict = decided.outcome
    return {
        "allowed": verdict.allowed,
        "explicitDeny": verdict.decision is Decision.EXPLICIT_DENY,
        "matchedStatements": _matched(decided.principal, verdict),
        "failures": {"items": []},
        "context": {
            "principal": _principal(decided.principal),
            "action": request.action,
            "resource": request.resource,
            "conditions": _conditions(request),
        },
    }


def _principal(principal: Principal) -> dict[str, str]:
    named = {"id": principal.user_id, "arn": str(principal.arn)}
    if principal.kind is PrincipalKind.USER:
        named["name"] = principal.arn.resource.rsplit("/", 1)[-1]
    return named


def _matched(principal: Principal, verdict: Verdict) -> _Items:
    reference = verdict.statement
    if reference is None or reference.elements is None:
        return {"items": []}
    statement: Statement = reference.elements
    unique_id = principal.user_id.partition(":")[0]
    conditions = [{"key": condition.key, "values": _values(condition.values)} for condition in statement.conditions]
    matched: dict[str, object] = {
        "statementId": statement.sid,
        "effect": statement.effect.upper(),
        "principals": _values([named.name for named in statement.principals] or [unique_id]),
        "principalGroups": {"items": []},
        "actions": _values(statement.actions or statement.not_actions),
        "resources": _values(statement.resources or statement.not_resources),
        "conditions": {"items": conditions},
    }
    return {"items": [matched]}


def _conditions(request: Request) -> _Items:
    """The request's condition keys. What another account's resource has, its tags for one, is not told."""
    found: list[dict[str, object]] = []
    elsewhere = request.resource_account not in (None, request.requester.account)
    keys = request.context.asked if elsewhere else request.context.given
    for key, given in sorted(keys.items()):
        values: Sequence[str] = (given,) if isinstance(given, str) else given
        found.append({"key": key, "values": _values(values)})
    return {"items": found}


def _values(values: Iterable[str]) -> _Items:
    return {"items": [{"value": value} for value in values]}
