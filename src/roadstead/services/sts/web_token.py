"""JSON Web Tokens of identity providers (RFC 7515, 7517, 7518, 7519): read, and verified with a provider's keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
from joserfc import jwk, jws
from joserfc.errors import JoseError

MAX_KEYS = 100
"""Of each kind that a provider may have."""
_MIN_RSA_BITS = 2048
_TYPES = MappingProxyType({"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "ES256": "EC", "ES384": "EC", "ES512": "EC"})
"""The algorithms that AWS takes, with the kind of key of each."""
_CURVES = MappingProxyType({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"})
_REGISTRY = jws.JWSRegistry(algorithms=list(_TYPES), strict_check_header=False)
_REGISTRY.max_header_length = 4096
_REGISTRY.max_signature_length = 2048


class NotAToken(ValueError):
    """The text is no signed JSON Web Token."""


class BadSignature(ValueError):
    """The token was not signed with the key."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was read; nothing of it is verified."""

    signed: jws.CompactSignature
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


class _Jwk(msgspec.Struct):
    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    crv: str | None = None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a provider that may sign tokens; `material` is the JWK."""

    kid: str | None
    kty: str
    alg: str | None
    curve: str | None
    material: Mapping[str, Any]

    def fits(self, header: Mapping[str, Any]) -> bool:
        """Whether a token with this header may be signed with it."""
        algorithm, kid = header["alg"], header.get("kid")
        return (
            _TYPES[algorithm] == self.kty
            and (kid is None or kid == self.kid)
            and self.alg in (None, algorithm)
            and (self.kty != "EC" or self.curve == _CURVES[algorithm])
        )


def read_token(text: str) -> Token:
    """The parts of a token; raises NotAToken, for algorithms that AWS does not take too."""
    try:
        found = jws.extract_compact(text.encode("ascii"), registry=_REGISTRY)
        header = found.headers()
        claims = msgspec.json.decode(found.payload, type=dict[str, Any])
    except (JoseError, msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotAToken(str(error)) from error
    kid = header.get("kid")
    if header.get("alg") not in _TYPES or not (kid is None or isinstance(kid, str)) or "crit" in header:
        raise NotAToken("the header is not one of a web identity token")
    return Token(found, header, claims)


def verify(token: Token, keys: Sequence[PublicKey]) -> None:
    """Return when one of the keys has signed the token; raises BadSignature."""
    for key in keys:
        try:
            material = jwk.import_key(dict(key.material))
            if isinstance(material, jwk.RSAKey) and material.public_key.key_size < _MIN_RSA_BITS:
                continue
            if jws.validate_compact(token.signed, material, list(_TYPES), _REGISTRY):
                return
        except (JoseError, ValueError, TypeError):
            continue
    raise BadSignature("no key of the provider has signed the token")


def read_keys(document: bytes) -> list[PublicKey]:
    """The keys of a JWK set that may sign tokens. Raises ValueError for what is no set, or has too many keys."""
    found = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    raw = msgspec.convert(found, list[dict[str, Any]])
    keys: list[PublicKey] = []
    for each in raw:
        try:
            read = msgspec.convert(each, _Jwk)
        except msgspec.ValidationError:
            continue
        if read.kty in ("RSA", "EC") and read.use in (None, "sig"):
            keys.append(PublicKey(read.kid, read.kty, read.alg, read.crv, MappingProxyType(each)))
    if any(sum(key.kty == kty for key in keys) > MAX_KEYS for kty in ("RSA", "EC")):
        raise ValueError(f"more than {MAX_KEYS} keys of a kind")
    return keys
