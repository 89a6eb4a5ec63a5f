"""What the sender of a request to a modeled service must be allowed: action and resources by AWS's data on actions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from roadstead.access.action_data import action_details, multivalued_keys, resource_types
from roadstead.core.forwarding.actions import parts_of
from roadstead.core.forwarding.resources import Leaf, Owner, named_arns
from roadstead.gateway.forwarding.leaves import leaves_of
from roadstead.gateway.forwarding.upstreams import Upstream
from roadstead.gateway.protocols.detect import Target
from roadstead.kernel.errors import NotImplementedByRoadstead

UNKNOWN = "roadstead:unknown"
"""The value of a key with several values that can't be read from a request: without one, ForAllValues would hold."""
_PASS_ROLE = "iam:PassRole"
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", re.ASCII)
_READING = frozenset({"Read", "List"})
_TAGS = ("Tags", "tags", "TagList")


@dataclass(frozen=True, slots=True)
class Need:
    """One action on resources, by their ARNs, with its condition keys."""

    action: str
    resources: tuple[str, ...]
    keys: dict[str, str | Sequence[str]] = field(default_factory=dict[str, "str | Sequence[str]"])


def needs_of(target: Target, params: Mapping[str, Any], upstream: Upstream, region: str) -> list[Need]:
    """Everything that must be allowed; raises NotImplementedByRoadstead for an operation whose action nobody knows."""
    shape = target.operation.input_shape
    owner = Owner(upstream.arn_account, upstream.region(region))
    leaves = leaves_of(shape, params)
    needs: list[Need] = []
    for action, part in parts_of(f"{upstream.prefix}:{target.operation_name}", params):
        if action_details(action) is None:
            text = f"{target.service_name}:{target.operation_name} has no action in IAM that is known, so it is not passed on."
            raise NotImplementedByRoadstead(text)
        own = leaves if part is params else [Leaf(k, v, top=True) for k, v in part.items() if isinstance(v, str)]
        templates = [each.arn for each in resource_types(action)]
        needs.append(Need(action, named_arns(templates, own, owner), _keys(action, params)))
        needs.extend(_passed_roles(action, own))
    return needs


def _keys(action: str, params: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    keys: dict[str, str | Sequence[str]] = dict.fromkeys(multivalued_keys(action), UNKNOWN)
    tags = next((_tags(params[name]) for name in _TAGS if params.get(name)), None)
    if tags is not None:
        keys["aws:TagKeys"] = tuple(tags)
        keys.update((f"aws:RequestTag/{name}", value) for name, value in tags.items())
    removed = params.get("TagKeys") or params.get("tagKeys")
    if isinstance(removed, list):
        keys["aws:TagKeys"] = tuple(str(each) for each in cast("list[object]", removed))
    return keys


def _tags(given: object) -> dict[str, str]:
    if isinstance(given, Mapping):
        return {str(key): str(value) for key, value in cast("Mapping[object, object]", given).items()}
    found: dict[str, str] = {}
    for each in cast("list[object]", given) if isinstance(given, list) else []:
        if isinstance(each, Mapping):
            low = {str(key).lower(): str(value) for key, value in cast("Mapping[object, object]", each).items()}
            found[low.get("key", low.get("tagkey", ""))] = low.get("value", low.get("tagvalue", ""))
    return found


def _passed_roles(action: str, leaves: Sequence[Leaf]) -> list[Need]:
    """PassRole, where the request hands a role over: a role's ARN in a parameter that is called after roles, and not to read something."""
    details = action_details(action)
    if details is None or details.access_level in _READING:
        return []
    given = [leaf.text for leaf in leaves if "role" in leaf.name.lower() and _ROLE.fullmatch(leaf.text)]
    roles = dict.fromkeys(given)
    keys: dict[str, str | Sequence[str]] = {"iam:PassedToService": f"{action.partition(':')[0]}.amazonaws.com"}
    return [Need(_PASS_ROLE, tuple(roles), keys)] if roles else []
