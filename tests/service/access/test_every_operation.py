"""Every operation that is built is decided as AWS's data says: on its resources, with all of its condition keys.

The data is `access/action_data.py`. What an operation is asked with is read from an example request (`world.py`) on a world where one of
everything is there, with tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.model import ListShape, Shape, StructureShape
from tests.service.access.world import TAG, VALUE, World, build_world, example
from tests.support.server import REGION, Account, ServerThread

from roadstead.access import action_data
from roadstead.access.arrival import Arrival
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.request_keys import principal_keys, time_keys
from roadstead.access.resource import KeyValues, Named, Resource
from roadstead.core.web_identity import WebIdentity
from roadstead.gateway.models import service_model
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import SystemClock
from roadstead.kernel.errors import ServiceError
from roadstead.kernel.settings import Deployment
from roadstead.server.operations import DECLARED
from roadstead.services.iam.oidc_providers import Provider
from roadstead.services.iam.oidc_urls import ProviderUrl
from roadstead.services.operation import OPERATIONS, Context
from roadstead.services.sts.web_identity import Proof
from roadstead.store import Transaction

AUTHORISED = sorted(name for name in DECLARED if OPERATIONS[name].authorised)

EITHER = {
    "iam:GenerateServiceLastAccessedDetails": "the request names one ARN, of any of these kinds",
    "iam:ListPoliciesGrantingServiceAccess": "the request names one ARN, of any of these kinds",
}
"""Operations for which the data requires several types of resources of which a request names one."""

MADE = "what is made has no tags yet"
ASKS = "the request asks for tags and has none"
NOT_BUILT = "what the key is about is not built: "
UNPROVIDED: Mapping[str, Mapping[str, str]] = {
    "iam:RoleTemplateARN": {"*": f"{NOT_BUILT}roles from templates"},
    "iam:RegisterSecurityKey": {"*": f"{NOT_BUILT}FIDO security keys"},
    "iam:FIDO-certification": {"*": f"{NOT_BUILT}FIDO security keys"},
    "iam:FIDO-FIPS-140-2-certification": {"*": f"{NOT_BUILT}FIDO security keys"},
    "iam:FIDO-FIPS-140-3-certification": {"*": f"{NOT_BUILT}FIDO security keys"},
    "sts:RoleAuthorizedByIdp": {"*": f"{NOT_BUILT}providers that name roles in their tokens"},
    "ecs:CreateAction": {"ecs:TagResource": "there when a request tags what it makes: see test_tags_of_what_is_made"},
    "aws:RequestTag/${TagKey}": {"ecr:ListTagsForResource": ASKS},
    "aws:TagKeys": {"ecr:ListTagsForResource": ASKS},
    "aws:ResourceTag/${TagKey}": {
        "ecs:RegisterTaskDefinition": MADE,
        "iam:CreateInstanceProfile": MADE,
        "iam:CreateOpenIDConnectProvider": MADE,
        "iam:CreatePolicy": MADE,
        "iam:CreateRole": MADE,
        "iam:CreateServiceLinkedRole": MADE,
        "iam:CreateUser": MADE,
        "iam:CreateVirtualMFADevice": MADE,
        "iam:GetServiceLinkedRoleDeletionStatus": "the role is gone, and its tags with it",
    },
}
"""Condition keys that AWS's data has for an action and that no request brings here: the key, then the operation (`*`: all), then why.

`iam:ResourceTag/…` and its likes go with `aws:ResourceTag/…`.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the decision on an example request is asked with."""

    resources: Sequence[Named]
    keys: KeyValues

    @property
    def arns(self) -> list[str]:
        return [str(each.arn if isinstance(each, Resource) else each) for each in self.resources]

    @property
    def names(self) -> set[str]:
        """The names of all condition keys, as the data has them."""
        own = [key for each in self.resources if isinstance(each, Resource) for key in each.keys]
        return {_name(key) for key in (*own, *self.keys, *GENERIC)}


def _name(key: str) -> str:
    prefix, slash, _ = key.partition("/")
    return f"{prefix}/{action_data.TAG_KEY}" if slash else key


_ANN = Arn(service="iam", region="", account="1" * 12, resource="user/ann")
_USER = Principal(PrincipalKind.USER, _ANN.account, _ANN, _ANN, "AIDA", "AKIA", issued_at=datetime.now(UTC))
GENERIC = {
    *Arrival("::1", "curl", "here", region=REGION).keys(),
    *principal_keys(_USER, {"a": "b"}),
    *time_keys(datetime.now(UTC)),
    "aws:ResourceAccount",
}
"""The keys that every request has, or may have, whatever it asks for."""


@pytest.fixture(scope="module")
def world(sqlite_server: ServerThread) -> World:
    return build_world(Account(sqlite_server, sqlite_server.new_account()))


def asked(world: World, name: str) -> Asked:
    """Read the resources and keys of an operation's example as the gateway does."""
    operation, request = OPERATIONS[name], example(world, name)

    async def work(tx: Transaction) -> Asked:
        ctx = context(world, tx, PREPARED[name](world) if name in PREPARED else None)
        try:
            resources = ("*",) if operation.resources is None else await operation.resources(ctx, request)
            keys = {} if operation.keys is None else await operation.keys(ctx, request)
        except (ServiceError, KeyError) as error:
            hint = (
                "Give it members that make sense in tests/service/access/world.py: MEMBERS of its service, or EXAMPLES"
            )
            pytest.fail(f"{name} can't read its example {request}: {error!r}.\n{hint}.")
        told = [await each.with_tags() if isinstance(each, Resource) else each for each in resources or ("*",)]
        return Asked(told, keys)

    return world.admin.server.run(work)


def _proof(world: World) -> Proof:
    """A web identity whose token was verified."""
    provider = Provider(world.admin.id, ProviderUrl("http", "localhost/zzworldprovider"), ("zzworldclient",), ())
    return Proof(provider, WebIdentity("ann", "zzworldclient", {"sub": "ann"}, {TAG: VALUE}, (TAG,), "zzworldsource"))


PREPARED: Mapping[str, Callable[[World], object]] = {"sts:AssumeRoleWithWebIdentity": _proof}
"""What `@operation(…, before=…)` of an operation gave, where its readers need it."""


def context(world: World, tx: Transaction, prepared: object) -> Context:
    arn = Arn(service="iam", region="", account=world.admin.id, resource="user/zzworlduser")

    async def authorise(action: str, resources: Sequence[Named], context: KeyValues | None = None) -> None:
        raise AssertionError("a reader of resources decides nothing")

    return Context(
        request_id="r",
        account=world.admin.id,
        region=REGION,
        principal=Principal(PrincipalKind.USER, world.admin.id, arn, arn, "AIDA", "AKIA"),
        clock=SystemClock(),
        tx=tx,
        deployment=Deployment(data_dir=world.admin.server.settings.data_dir),
        authorise=authorise,
        components={},
        prepared=prepared,
    )


@pytest.mark.parametrize("name", AUTHORISED)
def test_the_action_is_known(name: str):
    action = OPERATIONS[name].action
    assert action_data.action_details(action) is not None, (
        f"{name} is decided as {action}, which AWS's data does not have. Name the real action in @operation(…, action=…); one of our own "
        "service goes into access/own_actions.json."
    )


@pytest.mark.parametrize("name", AUTHORISED)
def test_the_resources_are_those_of_the_action(world: World, name: str):
    action = OPERATIONS[name].action
    types, found = action_data.resource_types(action), asked(world, name).arns
    if not types:
        assert found == ["*"], f"{name} names {found}, but AWS decides {action} on * only: leave resources= out."
        return
    templates = {kind.key: kind.arn for kind in types}
    for arn in found:
        assert any(kind.names(arn) for kind in types), (
            f"{name} is decided on {arn}, which is none of {templates}. Write a reader of what the request names and declare it: "
            f"@operation({name!r}, resources=…). Readers of a service are beside each other: services/ecs/guarded.py."
        )
    details = action_data.action_details(action)
    assert details is not None
    required = [
        kind for kind in types if any(each.required and each.name == kind.key for each in details.resource_types)
    ]
    missing = {kind.key: kind.arn for kind in required if not any(kind.names(arn) for arn in found)}
    if name in EITHER:
        assert len(missing) < len(required)
    else:
        assert not missing, (
            f"{name} is decided on {found}; AWS's data requires {missing} too. Let its reader name them all, or say in EITHER why one "
            "of them is enough."
        )


@pytest.mark.parametrize("name", AUTHORISED)
def test_the_condition_keys_are_those_of_the_action(world: World, name: str):
    action = OPERATIONS[name].action
    listed = action_data.condition_keys(action)
    missing = {key for key in listed - asked(world, name).names if excuse(key, name) is None}
    assert not missing, (
        f"{name} brings no value for {sorted(missing)}, which AWS lists for {action}. Keys of the request come from "
        f"@operation({name!r}, keys=…), keys of the resource from the Resource that resources= returns: tags by "
        "access.resource.resource_tags. If the example request lacks what the key is read from, add it in world.py. A key that can't be "
        "there gets a line with its reason in UNPROVIDED."
    )


def excuse(key: str, operation: str) -> str | None:
    """Why an operation may lack a key."""
    if operation.startswith("sts:") and ("." in key.partition(":")[0] or key.startswith("saml:")):
        return "claims of a token bear the name of their provider"
    _, colon, tag = key.partition(":ResourceTag/")
    entry = UNPROVIDED.get(f"aws:ResourceTag/{tag}" if colon else key, {})
    return entry.get(operation) or entry.get("*")


def test_excuses_are_needed(world: World):
    stale: list[str] = []
    for key, entry in UNPROVIDED.items():
        for name in AUTHORISED if "*" in entry else entry:
            listed = name in OPERATIONS and key in action_data.condition_keys(OPERATIONS[name].action)
            if listed and key in asked(world, name).names:
                stale.append(f"{name} brings {key}")
            elif not listed and "*" not in entry:
                stale.append(f"{name} does not have {key}")
    assert not stale
    assert set(EITHER) <= set(AUTHORISED)


KEPT = {
    "sts:AssumeRole": "the caller takes the role",
    "sts:AssumeRoleWithWebIdentity": "the caller takes the role",
    "ecr:CreatePullThroughCacheRule": "its role is refused by name",
    "ecr:UpdatePullThroughCacheRule": "its role is refused by name",
}
"""Operations whose request can name a role that is not handed to somebody else."""


def _hands_over(name: str) -> bool:
    """Whether the data says that an action needs iam:PassRole, or the request has a member that names a role by its ARN."""
    details = action_data.action_details(OPERATIONS[name].action)
    dependent = details.resource_types if details is not None else ()
    if any("iam:PassRole" in each.dependent_actions for each in (details, *dependent) if each is not None):
        return True
    service, _, operation = name.partition(":")
    shape = service_model(service).operation_model(operation).input_shape
    return shape is not None and any(member.lower().endswith("rolearn") for member in _members(shape, set()))


def _members(shape: Shape, seen: set[str]) -> Iterator[str]:
    """The names of all members of a structure, those of structures in it too."""
    if shape.name in seen:
        return
    seen.add(shape.name)
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            yield name
            yield from _members(member, seen)
    elif isinstance(shape, ListShape):
        yield from _members(shape.member, seen)


HANDS_OVER = sorted({name for name in AUTHORISED if _hands_over(name)} - set(KEPT) | {"iam:AddRoleToInstanceProfile"})


@pytest.mark.parametrize("name", HANDS_OVER)
def test_a_role_is_handed_over_by_those_who_may_pass_it(world: World, name: str):
    assert name in PASSING, f"{name} hands a role over: write in PASSING what a request with a role looks like."
    service, _, operation = name.partition(":")
    keys = world.admin.user(
        f"no-pass-{service}-{operation}",
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"},
    )
    client = world.admin.server.client(service, keys)
    with pytest.raises(client.exceptions.ClientError) as caught:
        client._make_api_call(operation, PASSING[name](world))
    error: Any = caught.value.response["Error"]
    assert "AccessDenied" in error["Code"], error
    assert f"not authorized to perform: iam:PassRole on resource: {world.arns['role']}" in error["Message"]


_CONTAINER = [{"name": "app", "image": "web", "memory": 64}]
PASSING = {
    "ecs:RegisterTaskDefinition": lambda w: {
        "family": "zzworldfamily",
        "containerDefinitions": _CONTAINER,
        "taskRoleArn": w.arns["role"],
    },
    "ecs:RunTask": lambda w: {"cluster": "zzworldcluster", "taskDefinition": "zzworldfamily"},
    "ecr:CreateRepositoryCreationTemplate": lambda w: {
        "prefix": "zzworld",
        "appliedFor": ["PULL_THROUGH_CACHE"],
        "customRoleArn": w.arns["role"],
    },
    "ecr:UpdateRepositoryCreationTemplate": lambda w: {"prefix": "zzworldtemplate", "customRoleArn": w.arns["role"]},
    "iam:AddRoleToInstanceProfile": lambda _: {"InstanceProfileName": "zzworldprofile", "RoleName": "zzworldrole"},
}
"""Requests that hand over `world.arns["role"]`."""


TAGS = [{"key": "team", "value": "yellow"}]
TAGGING = {
    "CreateCluster": lambda: {"clusterName": "tagged"},
    "RegisterTaskDefinition": lambda: {"family": "tagged", "containerDefinitions": _CONTAINER},
    "RegisterContainerInstance": lambda: {"cluster": "zzworldcluster"},
    "RunTask": lambda: {"cluster": "zzworldcluster", "taskDefinition": "zzworldfamily"},
}


@pytest.mark.parametrize("action", TAGGING)
def test_tags_of_what_is_made(world: World, action: str):
    """Who makes something with tags needs ecs:TagResource, with the key ecs:CreateAction."""
    everything_else = {"Effect": "Allow", "NotAction": "ecs:TagResource", "Resource": "*"}
    may_tag = {
        "Effect": "Allow",
        "Action": "ecs:TagResource",
        "Resource": f"arn:aws:ecs:*:{world.admin.id}:*",
        "Condition": {"StringEquals": {"ecs:CreateAction": action, "aws:RequestTag/team": "yellow"}},
    }
    without = world.admin.server.client("ecs", world.admin.user(f"plain-{action}", everything_else))
    granted = world.admin.server.client("ecs", world.admin.user(f"tags-{action}", everything_else, may_tag))
    without._make_api_call(action, TAGGING[action]())
    with pytest.raises(without.exceptions.ClientError, match="not authorized to perform: ecs:TagResource"):
        without._make_api_call(action, {**TAGGING[action](), "tags": TAGS})
    with pytest.raises(granted.exceptions.ClientError, match="not authorized to perform: ecs:TagResource"):
        granted._make_api_call(action, {**TAGGING[action](), "tags": [{"key": "team", "value": "blue"}]})
    granted._make_api_call(action, {**TAGGING[action](), "tags": TAGS})
