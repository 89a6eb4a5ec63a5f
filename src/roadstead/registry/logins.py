"""Logins by Authorization header, remembered for as long as they hold."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus

from roadstead.access.principal import Principal
from roadstead.access.sealing import ExpiredSeal, InvalidSeal, Sealer
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import Clock
from roadstead.registry.errors import Header, RegistryError
from roadstead.services.ecr.api import PUBLIC, NotARegistryToken, RegistryLogin, open_login

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Login:
    """A client: a name for its token (a hash), its principal (None for an anonymous one), and the region and time that the token is for."""

    name: bytes
    principal: Principal | None
    region: str
    expires: float

    @property
    def identity(self) -> Arn:
        """The user or role."""
        return self.principal.identity_arn if self.principal is not None else _NOBODY


_NOBODY = Arn("iam", "", "anonymous", "anonymous")
ANONYMOUS = Login(b"", None, PUBLIC, math.inf)
"""A client without a name, at the public registries."""

Opener = Callable[[Sealer, str], RegistryLogin | None]
"""Reads an Authorization header; None means ANONYMOUS. Raises NotARegistryToken, InvalidSeal, ExpiredSeal."""


class Logins:
    """Opens registry tokens; a token's hash leads to its login, so that the token itself is not kept."""

    def __init__(self, sealer: Sealer, clock: Clock, opener: Opener = open_login) -> None:
        self._opener = opener
        self._sealer = sealer
        self._clock = clock
        self._known: OrderedDict[bytes, Login] = OrderedDict()

    def login(self, authorization: bytes | None, challenge: Sequence[Header]) -> Login:
        """Who an Authorization header belongs to.

        Raises RegistryError: 401 with `challenge` where there is no token of ours, 403 as ECR does where it has expired.
        """
        if authorization is None:
            raise _unauthorized("no basic auth credentials", challenge)
        name = blake2b(authorization, digest_size=16).digest()
        known = self._known.get(name)
        if known is not None:
            if known.expires <= self._clock.now().timestamp():
                del self._known[name]
                raise _expired()
            return known
        try:
            opened = self._opener(self._sealer, authorization.decode("latin-1"))
        except (NotARegistryToken, InvalidSeal) as error:
            raise _unauthorized("Your Authorization Token is invalid.", challenge) from error
        except ExpiredSeal as error:
            raise _expired() from error
        if opened is None:
            return ANONYMOUS
        login = Login(name, opened.principal, opened.region, opened.expires)
        self._known[name] = login
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return login


def _unauthorized(message: str, challenge: Sequence[Header]) -> RegistryError:
    return RegistryError(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", message, challenge)


def _expired() -> RegistryError:
    message = "Your authorization token has expired. Reauthenticate and try again."
    return RegistryError(HTTPStatus.FORBIDDEN, "DENIED", message)
