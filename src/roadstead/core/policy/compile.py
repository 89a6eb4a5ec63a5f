"""A policy made quick to ask: patterns compiled, and for each action the statements that name it remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from roadstead.core.policy.arn_pattern import compile_arn, in_full
from roadstead.core.policy.conditions.compiled import Holds, compile_condition
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.document import PolicyShape, keys_of, parse_policy
from roadstead.core.policy.elements import Condition, Effect, PolicyDocument, Statement
from roadstead.core.policy.glob import matches
from roadstead.core.policy.principals import Grant, GrantOf, Requester, compile_principals
from roadstead.core.policy.trace import Missed, Obstacle, PolicyKind, PolicySource, StatementRef
from roadstead.core.policy.variables import TextTest

_ANY_VENDOR = "*"
_REMEMBERED_ACTIONS = 1024
"""Actions whose statements a policy remembers: more than a caller uses; a simulation may ask for any number of them."""
_SHAPES = {PolicyKind.RESOURCE: PolicyShape.RESOURCE, PolicyKind.TRUST: PolicyShape.TRUST}


class Request(msgspec.Struct, frozen=True):
    """One action on one resource. `resource_account` is whose the resource is; None where that makes no difference."""

    requester: Requester
    action: str
    resource: str
    context: RequestContext
    resource_account: str | None = None
    bounded: bool = False
    """Whether the requester has a permissions boundary."""


class CompiledStatement:
    """One statement."""

    __slots__ = ("_conditions", "_grant", "_resource", "effect", "keys", "ref")

    def __init__(self, statement: Statement, ref: StatementRef, *, variables: bool) -> None:
        self.ref = ref
        self.effect = statement.effect
        self.keys = frozenset(key.lower() for key in keys_of(statement, variables=variables))
        """The condition keys that it reads, in lower case."""
        self._resource = _resources(statement, variables)
        self._grant: GrantOf | None = compile_principals(statement)
        self._conditions: tuple[tuple[Condition, Holds], ...] = tuple(
            (c, compile_condition(c, variables=variables)) for c in statement.conditions
        )

    def grant(self, request: Request) -> Grant:
        """How directly the statement applies to a request whose action it names; statements without principals apply directly."""
        if self._resource is not None and not self._resource(request.resource, request.context):
            return Grant.NONE
        granted = Grant.DIRECT if self._grant is None else self._grant(request.requester, request.bounded)
        if granted is Grant.NONE:
            return granted
        for _, holds in self._conditions:
            if not holds(request.context):
                return Grant.NONE
        return granted

    def missed(self, request: Request) -> Missed | None:
        """What keeps the statement from applying; None when it applies."""
        if self._resource is not None and not self._resource(request.resource, request.context):
            return Missed(self.ref, Obstacle.RESOURCE)
        if self._grant is not None and self._grant(request.requester, request.bounded) is Grant.NONE:
            return Missed(self.ref, Obstacle.PRINCIPAL)
        for condition, holds in self._conditions:
            if not holds(request.context):
                return Missed(self.ref, Obstacle.CONDITION, condition, request.context.values(condition.key.lower()))
        return None


@dataclass(frozen=True, slots=True)
class Acting:
    """The statements of a policy that name an action."""

    denies: tuple[CompiledStatement, ...]
    allows: tuple[CompiledStatement, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The condition keys that they read, in lower case: a decision can't tell a request without the others from one with them."""
        return frozenset[str]().union(*(statement.keys for statement in (*self.denies, *self.allows)))


class CompiledPolicy:
    """One policy. What it remembers never changes what it answers: a statement is compiled when the first action meets it."""

    __slots__ = ("_acting", "_by_vendor", "_compiled", "_variables", "source")

    def __init__(self, document: PolicyDocument, source: PolicySource | None = None) -> None:
        self.source = source or PolicySource()
        self._variables = document.has_variables
        self._by_vendor = _by_vendor(document)
        self._compiled: dict[int, CompiledStatement] = {}
        self._acting: dict[str, Acting] = {}

    def acting(self, action: str) -> Acting:
        """The statements that name `action`."""
        found = self._acting.get(action)
        if found is None:
            found = self._find(action.lower())
            if len(self._acting) >= _REMEMBERED_ACTIONS:
                self._acting.clear()
            self._acting[action] = found
        return found

    def _find(self, action: str) -> Acting:
        candidates = self._by_vendor.get(action.partition(":")[0]) or self._by_vendor[_ANY_VENDOR]
        fitting = [self._statement(index, statement) for index, statement in candidates if _names(statement, action)]
        return Acting(
            denies=tuple(s for s in fitting if s.effect is Effect.DENY),
            allows=tuple(s for s in fitting if s.effect is Effect.ALLOW),
        )

    def _statement(self, index: int, statement: Statement) -> CompiledStatement:
        found = self._compiled.get(index)
        if found is None:
            ref = StatementRef(self.source, index, statement.sid, statement)
            found = self._compiled[index] = CompiledStatement(statement, ref, variables=self._variables)
        return found


@lru_cache(maxsize=1024)
def compiled_text(text: str, source: PolicySource) -> CompiledPolicy:
    """The policy of a text that was accepted before, which many requests bring: of a session, a resource. Raises MalformedPolicy."""
    return CompiledPolicy(parse_policy(text, shape=_SHAPES.get(source.kind, PolicyShape.IDENTITY)), source)


def _by_vendor(document: PolicyDocument) -> dict[str, list[tuple[int, Statement]]]:
    """For each vendor that the policy writes out, the statements that may name an action of it; under `*` those for all the others."""
    vendors = [_vendors(statement) for statement in document.statements]
    numbered = list(enumerate(document.statements))
    return {
        vendor: [
            entry for entry, of_it in zip(numbered, vendors, strict=True) if vendor in of_it or _ANY_VENDOR in of_it
        ]
        for vendor in set[str]().union(*vendors) | {_ANY_VENDOR}
    }


def _vendors(statement: Statement) -> set[str]:
    return {_ANY_VENDOR} if statement.not_actions else {a.partition(":")[0].lower() for a in statement.actions}


def _names(statement: Statement, action: str) -> bool:
    """Whether the statement is about `action`, given in lower case."""
    patterns = statement.actions or statement.not_actions
    return any(p == "*" or matches(p.lower(), action) for p in patterns) is bool(statement.actions)


def _resources(statement: Statement, variables: bool) -> TextTest | None:
    """A test of resources; None when every one is meant."""
    patterns = statement.resources or statement.not_resources
    if not patterns or "*" in statement.resources:
        return None
    named = _one_of([_anything if p == "*" else compile_arn(in_full(p), variables=variables) for p in patterns])
    return named if statement.resources else (lambda resource, context: not named(resource, context))


def _one_of(tests: Sequence[TextTest]) -> TextTest:
    if len(tests) == 1:
        return tests[0]

    def test(text: str, context: RequestContext) -> bool:
        for one in tests:  # noqa: SIM110 - this is asked for every statement of every request, and a generator costs twice as much
            if one(text, context):
                return True
        return False

    return test


def _anything(text: str, context: RequestContext) -> bool:
    del text, context
    return True
