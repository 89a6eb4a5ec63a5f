"""What the claims of a web identity token mean, once its signature holds.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html, reference_policies_iam-condition-keys.html and
id_session-tags.html; RFC 7519 and OpenID Connect Core 1.0 for the claims.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

SKEW_SECONDS = 300
"""How far the provider's clock may be from ours: a token counts this much longer than it says."""
MAX_SUBJECT = 255
_TAGS = "https://aws.amazon.com/tags"
_PRINCIPAL_TAGS = f"{_TAGS}/principal_tags/"
_TRANSITIVE = f"{_TAGS}/transitive_tag_keys"
_SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"
_COMMON = ("aud", "sub", "amr", "oaud", "email")
Claims = Mapping[str, Any]


class Flaw(StrEnum):
    """The ways in which claims can be unacceptable."""

    INVALID = "invalid"
    EXPIRED = "expired"


class BadClaims(ValueError):
    """The claims are not acceptable; the text is worded as STS words it."""

    def __init__(self, message: str, flaw: Flaw = Flaw.INVALID) -> None:
        super().__init__(message)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """Who a token speaks of. `audience` is the client id that it was issued to, as the provider knows it."""

    subject: str
    audience: str
    keys: Mapping[str, str | Sequence[str]]
    """Condition keys by the names of their claims: `aud`, `sub`, …"""
    tags: Mapping[str, str]
    transitive: tuple[str, ...]
    source_identity: str | None


def web_identity(claims: Claims, client_ids: Collection[str], now: float, further: Collection[str] = ()) -> WebIdentity:
    """The identity that the claims assert at a time, in seconds since the epoch; raises BadClaims.

    `further` names claims that become condition keys beside the usual ones.
    """
    _check_times(claims, now)
    audience, keys = _audience(claims, client_ids)
    subject = _text(claims, "sub")
    if not 0 < len(subject) <= MAX_SUBJECT:
        raise BadClaims(f"The sub claim must have 1 to {MAX_SUBJECT} characters")
    for name in (*_COMMON, *further):
        value = _condition_value(claims.get(name)) if name not in keys else None
        if value is not None:
            keys[name] = value
    tags, transitive = _tags(claims)
    return WebIdentity(subject, audience, keys, tags, transitive, _source_identity(claims))


def issuer_of(claims: Claims) -> str:
    """The `iss` claim; raises BadClaims."""
    return _text(claims, "iss")


def _check_times(claims: Claims, now: float) -> None:
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if now > expires + SKEW_SECONDS:
        raise BadClaims(
            f"Token expired: current date/time {int(now)} must be before the expiration date/time {int(expires)}",
            Flaw.EXPIRED,
        )
    if issued > now + SKEW_SECONDS:
        raise BadClaims(f"Token issued in the future: current date/time {int(now)}, issued at {int(issued)}")
    if "nbf" in claims and _seconds(claims, "nbf") > now + SKEW_SECONDS:
        raise BadClaims("Token is not valid yet")


def _audience(claims: Claims, client_ids: Collection[str]) -> tuple[str, dict[str, str | Sequence[str]]]:
    """The client that the token is for, and the keys `aud` and `oaud`: with an `azp` claim that is the audience."""
    named = _listed(claims, "aud")
    if "azp" in claims:
        authorised = _text(claims, "azp")
        keys: dict[str, str | Sequence[str]] = {"aud": authorised, "oaud": named[0] if len(named) == 1 else named}
        candidates = [authorised]
    else:
        keys = {"aud": named[0] if len(named) == 1 else named}
        candidates = named
    found = next((each for each in candidates if each in client_ids), None)
    if found is None:
        raise BadClaims("Incorrect token audience")
    return found, keys


def _tags(claims: Claims) -> tuple[dict[str, str], tuple[str, ...]]:
    """Session tags, nested in one claim or each in its own."""
    nested = claims.get(_TAGS, {})
    if not isinstance(nested, dict):
        raise BadClaims("The session tags of the token are malformed")
    inner = cast("dict[str, Any]", nested)
    principal = inner.get("principal_tags", {})
    if not isinstance(principal, dict):
        raise BadClaims("The session tags of the token are malformed")
    pairs = [*cast("dict[str, Any]", principal).items(), *_flat_tags(claims)]
    tags = {key: _tag_value(value) for key, value in pairs}
    given = inner.get("transitive_tag_keys", claims.get(_TRANSITIVE, []))
    keys = _texts(given)
    if keys is None:
        raise BadClaims("The transitive tag keys of the token are malformed")
    return tags, keys


def _flat_tags(claims: Claims) -> Iterator[tuple[str, Any]]:
    for name, value in claims.items():
        if name.startswith(_PRINCIPAL_TAGS):
            yield name.removeprefix(_PRINCIPAL_TAGS), value


def _tag_value(value: Any) -> str:
    found = _texts(value)
    if found is None or len(found) != 1:
        raise BadClaims("The session tags of the token are malformed")
    return found[0]


def _source_identity(claims: Claims) -> str | None:
    value = claims.get(_SOURCE_IDENTITY)
    if value is not None and not isinstance(value, str):
        raise BadClaims("The source identity of the token is malformed")
    return value


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    if value is None:
        raise BadClaims(f"Missing a required claim: {name}")
    if not isinstance(value, str):
        raise BadClaims(f"The {name} claim is malformed")
    return value


def _listed(claims: Claims, name: str) -> tuple[str, ...]:
    if name not in claims:
        raise BadClaims(f"Missing a required claim: {name}")
    found = _texts(claims[name])
    if not found:
        raise BadClaims(f"The {name} claim is malformed")
    return found


def _seconds(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if value is None:
        raise BadClaims(f"Missing a required claim: {name}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**53) < value < 2**53:
        raise BadClaims(f"The {name} claim is no number of seconds")
    return value


def _texts(value: Any) -> tuple[str, ...] | None:
    """A text, or a list of texts, as a tuple; None for anything else."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        return None
    found = cast("list[object]", value)
    return tuple(each for each in found if isinstance(each, str)) if all(isinstance(e, str) for e in found) else None


def _condition_value(value: Any) -> str | Sequence[str] | None:
    """A claim as a condition key; None for one that can't be one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    found = _texts(value)
    if not found:
        return None
    return found[0] if isinstance(value, str) else found
