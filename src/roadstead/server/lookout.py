"""Looking for the next request for a moment before going to sleep (decision 0022).

A client that asks one thing after the other is waited for by a server that sleeps, and then by itself while that wakes up: on a virtual machine
60 µs, several times what a small answer takes. Looking costs the processor as long as it lasts, so whether it is done depends on whether it
paid off lately: after a look in vain the next ones are left out, twice as many each time.
"""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar
from weakref import WeakKeyDictionary


class Lookout:
    """That of one event loop, told of the requests on all its connections and of whatever comes from a client."""

    seconds: ClassVar[float] = 100e-6
    """How long a look lasts at most. A client on this host that computes little in between is heard from in half of that."""
    most_doublings: ClassVar[int] = 8
    """After so many looks in vain, and any more, 256 answers go without: what looking in vain costs stays below half a microsecond an answer."""

    __slots__ = ("_came", "_in_vain", "_left_out", "_looking", "_loop", "_under_way", "_until")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way = 0
        self._looking = False
        self._came = False
        self._until = 0.0
        self._in_vain = 0
        self._left_out = 0

    def begun(self) -> None:
        """A request is under way: while there is any, the processor is for those who work on it."""
        self._under_way += 1

    def gone(self, count: int) -> None:
        """So many requests will not be answered, as their client is gone."""
        self._under_way -= count

    def ended(self) -> None:
        """A request is answered: the next one may be near."""
        self._under_way -= 1
        if self._under_way:
            return
        if self._left_out:
            self._left_out -= 1
            return
        self._came = False
        self._until = time.perf_counter() + self.seconds
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look)

    def came(self) -> None:
        """Something came: if that was looked for, looking pays off."""
        if self._looking:
            self._came = True
            self._in_vain = 0

    def _look(self) -> None:
        """While this is in the loop's queue, the loop asks the kernel for news without waiting for any."""
        if self._came:
            self._looking = False
        elif time.perf_counter() < self._until:
            self._loop.call_soon(self._look)
        else:
            self._looking = False
            self._in_vain = min(self._in_vain + 1, self.most_doublings)
            self._left_out = 2**self._in_vain


_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, Lookout] = WeakKeyDictionary()


def lookout_of(loop: asyncio.AbstractEventLoop) -> Lookout:
    """The one of this event loop, which all its connections share."""
    found = _lookouts.get(loop)
    if found is None:
        found = _lookouts[loop] = Lookout(loop)
    return found
