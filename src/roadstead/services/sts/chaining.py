"""What a session of a role inherits from the session that opens it.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roadstead.access.principal import Principal
from roadstead.services.sts.errors import InvalidParameterValue, ValidationError
from roadstead.services.sts.passed import MAX_TAGS, tags_of


@dataclass(frozen=True, slots=True)
class Chain:
    """Tags and source identity of a new session, inherited and passed."""

    tags: Mapping[str, str]
    transitive: tuple[str, ...]
    source_identity: str | None


def chain(caller: Principal, request: Mapping[str, Any]) -> Chain:
    """What the new session has; raises InvalidParameterValue and ValidationError where the request contradicts the caller's session."""
    passed = tags_of(request)
    inherited = {key: caller.session_tags[key] for key in caller.transitive_tag_keys if key in caller.session_tags}
    wanted: list[str] = list(request.get("TransitiveTagKeys") or ())
    known = {key.lower(): key for key in inherited}
    if any(key.lower() in known for key in (*passed, *wanted)):
        raise InvalidParameterValue(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
        )
    spelled = {key.lower(): key for key in passed}
    if any(key.lower() not in spelled for key in wanted):
        raise InvalidParameterValue("The specified transitive tag key must be included in the requested tags.")
    tags = {**inherited, **passed}
    if len(tags) > MAX_TAGS:
        raise InvalidParameterValue(f"A session has at most {MAX_TAGS} tags, inherited ones among them.")
    transitive = dict.fromkeys([*inherited, *(spelled[key.lower()] for key in wanted)])
    return Chain(tags, tuple(transitive), _source_identity(caller, request.get("SourceIdentity")))


def _source_identity(caller: Principal, wanted: str | None) -> str | None:
    if wanted is not None and wanted.lower().startswith("aws:"):
        raise ValidationError("The source identity can't begin with the text aws:.")
    if caller.source_identity is not None and wanted not in (None, caller.source_identity):
        raise InvalidParameterValue("The source identity of the calling session is set and can't be changed.")
    return caller.source_identity or wanted
