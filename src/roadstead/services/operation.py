"""How an operation is declared, and what it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from roadstead.access.principal import Principal
from roadstead.access.resource import KeyValues, Named
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import Clock
from roadstead.kernel.settings import PARTITION, Deployment
from roadstead.store import Event, Store, Transaction


class Authorise(Protocol):
    """Decides a further action in the request's own transaction, as PassRole; raises the service's access-denied error."""

    async def __call__(self, action: str, resources: Sequence[Named], context: KeyValues | None = None) -> None:
        """Return when allowed."""
        ...


class Context(msgspec.Struct, frozen=True):
    """One request: who, where, when, and the transaction it runs in."""

    request_id: str
    account: str
    region: str
    principal: Principal
    clock: Clock
    tx: Transaction
    deployment: Deployment
    authorise: Authorise
    components: Mapping[type, object]
    """Further things of the server that a few operations need, by their type: the blob store, the sealer."""
    prepared: object = None
    """What the operation's `before` found out."""
    service: str = ""
    """The service whose operation this is, where several share a function: `ecr-public`."""

    def emit(self, topic: str, resource: str, payload: Mapping[str, object] | None = None) -> None:
        """Record an event that becomes visible exactly when this transaction commits."""
        self.tx.emit(
            Event(topic=topic, account=self.account, region=self.region, resource=resource, payload=dict(payload or {}))
        )

    def arn(self, service: str, resource: str) -> Arn:
        """An ARN of this request's account and region."""
        return Arn(service, self.region, self.account, resource, PARTITION)

    def component(self, kind: type[T]) -> T:
        """The server's component of this type."""
        return _component(self.components, kind)


T = TypeVar("T")


def _component(components: Mapping[type, object], kind: type[T]) -> T:
    value = components[kind]
    if not isinstance(value, kind):
        raise TypeError(f"component {kind.__name__} has type {type(value).__name__}")
    return value


class Vouched(Protocol):
    """What the `before` of an operation that nobody signs finds out: the principal that the request proved in its own way."""

    @property
    def principal(self) -> Principal:
        """Who it is for."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What an operation has outside of a transaction, where it may wait for others: for a network, for a long computation."""

    store: Store
    clock: Clock
    deployment: Deployment
    components: Mapping[type, object]
    caller: Callable[[], Awaitable[Principal]]
    """Who signed the request; raises AuthenticationError."""
    authorised: Callable[[], Awaitable[Principal]]
    """The same, once it is known that the signer may do the operation; raises AccessDenied too."""
    context: Callable[[Transaction], Awaitable[Context]]
    """The request in a transaction of `store`, which ends before anything is waited for; raises what `authorised` does."""

    def component(self, kind: type[T]) -> T:
        """The server's component of this type."""
        return _component(self.components, kind)


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What an operation that reads has left to do when its snapshot has ended: to move bytes, to commit. `work` returns the response."""

    work: Callable[[], Awaitable[Mapping[str, object]]]


Handler = Callable[[Context, Any], Awaitable[Any]]
"""Returns the response, or with `reads` an Afterwards."""
Resources = Callable[[Context, Any], Awaitable[Sequence[Named]]]
Keys = Callable[[Context, Any], Awaitable[KeyValues]]
Before = Callable[[Outside, Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that exists here: its IAM action, its function, and how its resources are read."""

    name: str
    """`service:Operation`, service as botocore names its model folder (`ecs`, `ecr`, `logs`)."""
    action: str
    handler: Handler
    resources: Resources | None
    keys: Keys | None
    reads: bool
    """True when the operation writes nothing and may run in a read-only snapshot."""
    authorised: bool
    """False for the few operations that every signed caller may use (GetCallerIdentity)."""
    before: Before | None
    signed: bool


OPERATIONS: dict[str, Operation] = {}
"""Every operation that is built, by name. Filled when a service's package is imported."""


def operation(
    name: str,
    *,
    action: str | None = None,
    resources: Resources | None = None,
    keys: Keys | None = None,
    reads: bool = False,
    authorised: bool = True,
    before: Before | None = None,
    signed: bool = True,
) -> Callable[[Handler], Handler]:
    """Declare the function below as the operation `service:Operation`.

    `resources` reads what the request names, in the request's transaction (`*` without it), each resource with its own condition keys and
    policy where it has them; `keys` reads the condition keys of the request itself (`aws:RequestTag/…`, `ecs:task-definition`); `action` is
    the IAM action where it is not the operation's own name. `before` is what must be waited for outside of the operation's transaction, and
    comes before it: its result is `ctx.prepared`. With `signed=False` the request's proof is no signature, but what `before` returns,
    which is `Vouched`.
    """

    def declare(handler: Handler) -> Handler:
        if name in OPERATIONS:
            raise ValueError(f"operation {name} is declared twice")
        OPERATIONS[name] = Operation(
            name=name,
            action=action or name,
            handler=handler,
            resources=resources,
            keys=keys,
            reads=reads,
            authorised=authorised,
            before=before,
            signed=signed,
        )
        return handler

    return declare
