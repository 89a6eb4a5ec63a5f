"""The policies of a simulation: those that the request passes, and those of a principal less the ones it leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from roadstead.access.held import PolicyText, groups_of, managed_text, policy_texts, service_control_texts
from roadstead.access.tables import groups, roles, users
from roadstead.core.policy.compile import CompiledPolicy
from roadstead.core.policy.document import MalformedPolicy, PolicyShape, context_keys, parse_policy
from roadstead.core.policy.evaluate import PolicySet
from roadstead.core.policy.trace import Origin, PolicyKind, PolicySource
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.entities import entity_arn
from roadstead.services.iam.errors import InvalidInputException, NoSuchEntityException
from roadstead.services.operation import Context

_NAMES = {
    "user": (users, users.c.user_name),
    "group": (groups, groups.c.group_name),
    "role": (roles, roles.c.role_name),
}
_EXCLUDED = {Origin.AWS_MANAGED: "aws-managed", Origin.USER_MANAGED: "user-managed"}


@dataclass(slots=True)
class Collected:
    """The policies of one simulation, as texts. `service_control` has one entry a level."""

    identity: list[PolicyText] = field(default_factory=list[PolicyText])
    boundary: PolicyText | None = None
    service_control: list[list[PolicyText]] = field(default_factory=list[list[PolicyText]])
    resource: PolicyText | None = None

    def texts(self) -> list[PolicyText]:
        """All of them."""
        levels = [policy for level in self.service_control for policy in level]
        single = [policy for policy in (self.boundary, self.resource) if policy is not None]
        return [*self.identity, *single, *levels]

    def compiled(self) -> PolicySet:
        """As a decision takes them; raises InvalidInput for what can't be read."""
        return PolicySet(
            identity=tuple(_read(policy) for policy in self.identity),
            boundary=_read(self.boundary) if self.boundary is not None else None,
            service_control=tuple(tuple(_read(policy) for policy in level) for level in self.service_control),
            resource=_read(self.resource, PolicyShape.RESOURCE) if self.resource is not None else None,
        )

    def keys(self) -> list[str]:
        """The condition keys that the policies ask for, each once."""
        found: dict[str, str] = {}
        for policy in self.texts():
            shape = PolicyShape.RESOURCE if policy is self.resource else PolicyShape.IDENTITY
            for key in context_keys(_parsed(policy, shape)):
                found.setdefault(key.lower(), key)
        return list(found.values())


def passed(texts: Sequence[str] | None, member: str, kind: PolicyKind = PolicyKind.IDENTITY) -> list[PolicyText]:
    """Policies that a request brings, named as the simulator names them: `PolicyInputList.1`."""
    return [
        PolicyText(text, PolicySource(f"{member}.{number}", kind, Origin.NONE))
        for number, text in enumerate(texts or (), start=1)
    ]


def passed_boundary(request: Mapping[str, Any]) -> PolicyText | None:
    """The one boundary that a request may bring."""
    found = passed(
        request.get("PermissionsBoundaryPolicyInputList"), "PermissionsBoundaryPolicyInputList", PolicyKind.BOUNDARY
    )
    if len(found) > 1:
        raise InvalidInputException("Invalid number of permissions boundary policies. Only one policy is allowed.")
    return found[0] if found else None


def passed_levels(request: Mapping[str, Any]) -> list[list[PolicyText]]:
    """Service control policies that a request brings, from the root of the organisation to the account."""
    return [
        passed(
            level.get("ServiceControlPolicyInputList"),
            f"OrderedOrganizationPolicyInputList.{number}",
            PolicyKind.SERVICE_CONTROL,
        )
        for number, level in enumerate(request.get("OrderedOrganizationPolicyInputList") or (), start=1)
    ]


async def entity_of(ctx: Context, text: str) -> tuple[str, str, str | None]:
    """Kind, name and boundary of the user, group or role of this account that an ARN names.

    Raises InvalidInput for another ARN, NoSuchEntity.
    """
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise InvalidInputException(f"Invalid ARN: {text}") from error
    kind, _, rest = arn.resource.partition("/")
    name = rest.rpartition("/")[2]
    if arn.service != "iam" or kind not in _NAMES or not name:
        raise InvalidInputException(f"Invalid Entity Arn: {text} does not clearly define entity type and name.")
    table, column = _NAMES[kind]
    stmt = select(table).where(table.c.account == ctx.account, column == name)
    row = (await ctx.tx.execute(stmt)).one_or_none() if arn.account == ctx.account else None
    if row is None or entity_arn(ctx.account, kind, str(row.path), name) != arn:
        raise NoSuchEntityException(f"The {kind} with name {name} cannot be found.")
    boundary = row.permissions_boundary if kind != "group" else None
    return kind, name, None if boundary is None else str(boundary)


async def of_principal(ctx: Context, request: Mapping[str, Any]) -> Collected:
    """What a user, with its groups, a group or a role has, less `PolicyExclusionList`; what the request passes comes on top."""
    kind, name, boundary = await entity_of(ctx, request["PolicySourceArn"])
    entities = [(kind, name)]
    if kind == "user":
        entities += [("group", group) for group in await groups_of(ctx.tx, ctx.account, name)]
    left_out: Sequence[Mapping[str, Any]] = request.get("PolicyExclusionList") or ()
    kinds = {str(each["PolicyType"]) for each in left_out if set(each) == {"PolicyType"}}
    found = Collected()
    for entity in entities:
        for policy in await policy_texts(ctx.tx, ctx.account, *entity):
            if not _excluded(policy, entity, left_out, kinds):
                found.identity.append(policy)
    found.identity += passed(request.get("PolicyInputList"), "PolicyInputList")
    found.boundary = passed_boundary(request)
    if found.boundary is None and boundary is not None and "permission-boundary" not in kinds:
        found.boundary = await managed_text(ctx.tx, boundary, PolicyKind.BOUNDARY)
    level = [] if "scp" in kinds else await service_control_texts(ctx.tx, ctx.account)
    if level:
        found.service_control = [level]
    return found


def _excluded(
    policy: PolicyText, entity: tuple[str, str], left_out: Sequence[Mapping[str, Any]], kinds: set[str]
) -> bool:
    managed = _EXCLUDED.get(policy.source.origin)
    if (managed or "inline") in kinds:
        return True
    inline = {"AttachmentType": entity[0], "AttachmentName": entity[1], "PolicyName": policy.source.name}
    return any(
        each.get("PolicyArn") == policy.source.name if managed else each.get("InlinePolicyIdentifier") == inline
        for each in left_out
    )


def _read(policy: PolicyText, shape: PolicyShape = PolicyShape.IDENTITY) -> CompiledPolicy:
    return CompiledPolicy(_parsed(policy, shape), policy.source)


def _parsed(policy: PolicyText, shape: PolicyShape) -> Any:
    try:
        return parse_policy(policy.text, shape=shape)
    except MalformedPolicy as error:
        raise InvalidInputException(f"{policy.source.name}: {error}") from error
