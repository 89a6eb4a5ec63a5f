"""Who opens a link: the handshake is a signed GET, checked like every other request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
import structlog

from roadstead.access.arrival import Arrival, arrival_of
from roadstead.access.decided import Decided
from roadstead.access.errors import AccessDenied, AuthenticationError
from roadstead.access.gatekeeper import Caller, Gatekeeper
from roadstead.access.principal import Principal
from roadstead.access.resource import KeyValues, Named
from roadstead.agentlink.attempt import Attempt
from roadstead.agentlink.socket import Scope, Socket
from roadstead.audit.trail import Trail
from roadstead.core.sigv4 import EMPTY_SHA256, SignableRequest
from roadstead.store import Store, StoreError, Transaction

log = structlog.get_logger("agentlink")
T = TypeVar("T")


class Refused(Exception):
    """The link is not opened; `code` is the exception that the agent knows."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Gate(Protocol):
    """What a link asks of access (`access.gatekeeper.Gate`)."""

    decisions: list[Decided]

    async def authenticate(self, request: SignableRequest) -> Caller:
        """The signer; raises AuthenticationError."""
        ...

    async def authorise(
        self,
        principal: Principal,
        action: str,
        resources: Sequence[Named],
        context: KeyValues | None = None,
    ) -> None:
        """Return when allowed; raises AccessDenied."""
        ...


GateAt = Callable[[Transaction, Arrival], Gate]


@dataclass(frozen=True, slots=True)
class Opening:
    """A handshake, as the edge that takes it sees it."""

    tx: Transaction
    gate: Gate
    principal: Principal
    region: str
    query: Mapping[str, str]

    async def require(self, action: str, resource: Named) -> None:
        """Raise AccessDenied unless the signer may do this."""
        await self.gate.authorise(self.principal, action, [resource])


@dataclass(frozen=True, slots=True)
class Door:
    """What every link is let in by: the store, IAM, and the trail that tells of it."""

    store: Store
    gate_at: GateAt
    trail: Trail


async def admit(socket: Socket, door: Door, action: str, check: Callable[[Opening], Awaitable[T]]) -> T | None:
    """Authenticate the handshake and let `check` look at it, in one transaction's view; None when it was refused and answered.

    `action` (`ecs:Poll`) names the service that the signature is for, and the event.
    """
    attempt = Attempt(door.trail, socket.scope, action)
    try:
        async with door.store.snapshot() as tx:
            gate = door.gate_at(tx, arrival_of(socket.scope))
            attempt.decisions = gate.decisions
            caller = attempt.caller = await gate.authenticate(signable(socket.scope))
            _require_scope(caller, action.partition(":")[0])
            query = attempt.query = dict(parse_qsl(_query(socket.scope), keep_blank_values=True))
            admitted = await check(Opening(tx, gate, caller.principal, caller.region, query))
    except AuthenticationError as error:
        refused = Refused(403, "AccessDeniedException", error.message)
    except AccessDenied as error:
        # Without an encoded message: agents read no more than the beginning of a refusal.
        refused = Refused(403, "AccessDeniedException", error.message)
    except Refused as error:
        refused = error
    except StoreError as error:
        log.exception("handshake failed", path=socket.scope["path"])
        refused = Refused(503, "ServerException", f"the server can't serve this now: {type(error).__name__}")
    else:
        attempt.tell()
        return admitted
    attempt.tell(refused.code, refused.message)
    log.info("link refused", path=socket.scope["path"], code=refused.code, message=refused.message)
    await socket.refuse(refused.status, msgspec.json.encode({refused.code: refused.message}))
    return None


def signable(scope: Scope) -> SignableRequest:
    """What the signature of a websocket handshake covers."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    path = scope.get("raw_path") or scope["path"].encode()
    return SignableRequest("GET", path.decode("latin-1").partition("?")[0], _query(scope), headers, EMPTY_SHA256)


def _require_scope(caller: Caller, service: str) -> None:
    if caller.service != service:
        raise Refused(403, "AccessDeniedException", f"the signature is scoped to {caller.service}, not {service}")


def _query(scope: Scope) -> str:
    return scope["query_string"].decode("latin-1")


def gate_of(keeper: Gatekeeper) -> GateAt:
    """The server's gatekeeper as links ask it."""
    return keeper.at
