"""The server that holds a link, as the store knows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roadstead.store import Transaction


async def _always(_tx: Transaction) -> None:
    return


@dataclass(frozen=True, slots=True)
class Presence:
    """Links are recorded under `name`. `guard` makes a transaction fail, with a StoreError, once others take the server for dead."""

    name: str
    guard: Callable[[Transaction], Awaitable[None]] = _always
