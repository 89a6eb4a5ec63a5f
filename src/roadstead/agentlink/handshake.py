"""Who opens a link: the handshake is a signed GET, checked like every other request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
import structlog

from roadstead.access.errors import AccessDenied, AuthenticationError
from roadstead.access.gatekeeper import Caller, Gatekeeper
from roadstead.access.principal import Principal
from roadstead.agentlink.socket import Scope, Socket
from roadstead.core.sigv4 import EMPTY_SHA256, SignableRequest
from roadstead.kernel.arn import Arn
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

    async def authenticate(self, request: SignableRequest) -> Caller:
        """The signer; raises AuthenticationError."""
        ...

    async def authorise(
        self,
        principal: Principal,
        action: str,
        resources: Sequence[Arn | str],
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Return when allowed; raises AccessDenied."""
        ...


GateAt = Callable[[Transaction], Gate]


@dataclass(frozen=True, slots=True)
class Opening:
    """A handshake, as the edge that takes it sees it."""

    tx: Transaction
    gate: Gate
    principal: Principal
    region: str
    query: Mapping[str, str]

    async def require(self, action: str, resource: str) -> None:
        """Raise AccessDenied unless the signer may do this."""
        await self.gate.authorise(self.principal, action, [resource])


async def admit(
    socket: Socket,
    store: Store,
    gate_at: GateAt,
    service: str,
    check: Callable[[Opening], Awaitable[T]],
) -> T | None:
    """Authenticate the handshake and let `check` look at it, in one transaction's view; None when it was refused and answered."""
    try:
        async with store.snapshot() as tx:
            gate = gate_at(tx)
            caller = await gate.authenticate(signable(socket.scope))
            _require_scope(caller, service)
            query = dict(parse_qsl(_query(socket.scope), keep_blank_values=True))
            return await check(Opening(tx, gate, caller.principal, caller.region, query))
    except AuthenticationError as error:
        refused = Refused(403, "AccessDeniedException", error.message)
    except AccessDenied as error:
        refused = Refused(403, "AccessDeniedException", error.message)
    except Refused as error:
        refused = error
    except StoreError as error:
        log.exception("handshake failed", path=socket.scope["path"])
        refused = Refused(503, "ServerException", f"the server can't serve this now: {type(error).__name__}")
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
