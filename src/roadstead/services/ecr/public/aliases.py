"""The names of public registries: a default one that is given with the first repository, and others that accounts choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import bindparam, delete, insert, select, update

from roadstead.services.ecr.errors import InvalidParameterException, LimitExceededException
from roadstead.services.ecr.keys import PUBLIC
from roadstead.services.ecr.registry_events import emit_registry
from roadstead.services.ecr.tables import aliases
from roadstead.store import Lookup, Transaction

MAX_ALIASES = 10
"""How many an account may choose."""

_PATTERN = re.compile(r"[a-z][a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RESERVED = frozenset({"amazon", "aws", "docker", "ecr", "localhost", "roadstead"})
_ACCOUNT = Lookup(select(aliases.c.account).where(aliases.c.alias == bindparam("alias")))


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of a public registry. The primary one is in repository URIs."""

    name: str
    is_default: bool
    is_primary: bool

    def describe(self) -> dict[str, object]:
        """The alias as the API prints it."""
        return {
            "name": self.name,
            "status": "ACTIVE",
            "primaryRegistryAlias": self.is_primary,
            "defaultRegistryAlias": self.is_default,
        }


async def account_of(tx: Transaction, alias: str) -> str | None:
    """Whose registry has this alias."""
    rows = await tx.look_up(_ACCOUNT, alias=alias)
    return rows[0][0] if rows else None


async def aliases_of(tx: Transaction, account: str) -> list[Alias]:
    """Every alias of an account; before its first repository the default one, as it will be."""
    stmt = select(aliases.c.alias, aliases.c.is_default, aliases.c.is_primary).where(aliases.c.account == account)
    rows = (await tx.execute(stmt.order_by(aliases.c.is_default.desc(), aliases.c.alias))).all()
    if rows:
        return [Alias(row[0], bool(row[1]), bool(row[2])) for row in rows]
    return [Alias(await _free_default(tx, account), is_default=True, is_primary=True)]


async def primary_alias(tx: Transaction, account: str) -> str:
    """The alias that is in an account's repository URIs."""
    return next(alias.name for alias in await aliases_of(tx, account) if alias.is_primary)


async def ensure_default(tx: Transaction, account: str) -> None:
    """Give an account its default alias, unless it has it."""
    present = select(aliases.c.alias).where(aliases.c.account == account).limit(1)
    if (await tx.execute(present)).first() is None:
        await _insert(tx, account, await _free_default(tx, account), is_default=True, is_primary=True)


async def choose_alias(tx: Transaction, account: str, name: str, *, primary: bool) -> Alias:
    """Let an account have an alias, and make it the primary one if it is to be; the account's own may be chosen again.

    Raises InvalidParameterException and LimitExceededException.
    """
    if not 2 <= len(name) <= 50 or not _PATTERN.fullmatch(name) or name in _RESERVED:
        raise InvalidParameterException.at(
            "name", f"must satisfy regular expression '{_PATTERN.pattern}' and not be reserved"
        )
    await ensure_default(tx, account)
    owner = await account_of(tx, name)
    if owner not in (None, account):
        raise InvalidParameterException.at("name", "must be an alias that no other registry has")
    present = await aliases_of(tx, account)
    if owner is None:
        if len(present) > MAX_ALIASES:
            raise LimitExceededException(
                f"The registry with id '{account}' has {MAX_ALIASES} aliases, which is as many as it may"
            )
        await _insert(tx, account, name, is_default=False, is_primary=False)
    is_default = any(alias.is_default for alias in present if alias.name == name)
    if primary:
        await _make_primary(tx, account, name)
    is_primary = primary or any(alias.is_primary for alias in present if alias.name == name)
    return Alias(name, is_default, is_primary)


async def give_up_alias(tx: Transaction, account: str, name: str) -> bool:
    """Take a chosen alias from its account; False when it has none of this name. The default one takes its place where it was primary."""
    found = next((alias for alias in await aliases_of(tx, account) if alias.name == name), None)
    if found is None:
        return False
    if found.is_default:
        raise InvalidParameterException.at("name", "the default alias stays with its registry")
    await tx.execute(delete(aliases).where(aliases.c.alias == name, aliases.c.account == account))
    emit_registry(tx, account, PUBLIC, "alias-deleted", alias=name)
    if found.is_primary:
        default = next(alias.name for alias in await aliases_of(tx, account) if alias.is_default)
        await _make_primary(tx, account, default)
    return True


async def _make_primary(tx: Transaction, account: str, name: str) -> None:
    await tx.execute(update(aliases).where(aliases.c.account == account).values(is_primary=0))
    await tx.execute(update(aliases).where(aliases.c.alias == name).values(is_primary=1))
    emit_registry(tx, account, PUBLIC, "alias-primary", alias=name)


async def _insert(tx: Transaction, account: str, name: str, *, is_default: bool, is_primary: bool) -> None:
    values = {"alias": name, "account": account, "is_default": int(is_default), "is_primary": int(is_primary)}
    await tx.execute(insert(aliases).values(**values, created_at=tx.clock.now()))
    emit_registry(tx, account, PUBLIC, "alias-created", alias=name)


async def _free_default(tx: Transaction, account: str) -> str:
    """The first of an account's possible default aliases that nobody has."""
    attempt = 0
    while await account_of(tx, default_alias(account, attempt)) is not None:
        attempt += 1
    return default_alias(account, attempt)


def default_alias(account: str, attempt: int = 0) -> str:
    """Eight characters that come of the account, as `a1b2c3d4`; another `attempt` gives others."""
    number = int.from_bytes(sha256(f"{account}/{attempt}".encode()).digest()[:8], "big")
    letters: list[str] = []
    for base in (10, *([36] * 7)):
        number, rest = divmod(number, 26 if base == 10 else 36)
        letters.append(_DIGITS[rest + 10] if base == 10 else _DIGITS[rest])
    return "".join(letters)
