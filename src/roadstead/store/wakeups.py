"""Wake-ups for whoever acts on committed events. Level-triggered: they say "look again", never what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType


class Subscription:
    """Tells one waiter that an event with one of its topics has been committed since it last looked."""

    def __init__(self, hub: Wakeups, topics: frozenset[str]) -> None:
        self._hub = hub
        self._flag = asyncio.Event()
        self.topics = topics

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wake(self) -> None:
        """Make the current or the next `wait` return at once."""
        self._flag.set()

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - running out is an answer here, not an error
        """Return True once woken, or False after `timeout` seconds; wake-ups since the last call count as one."""
        if not self._flag.is_set():
            try:
                await asyncio.wait_for(self._flag.wait(), timeout)
            except TimeoutError:
                return False
        self._flag.clear()
        return True

    def close(self) -> None:
        """Stop being woken."""
        self._hub.remove(self)


class Wakeups:
    """The subscriptions of this process."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def subscribe(self, *topics: str) -> Subscription:
        """A subscription to `topics`, or to every topic when none is given."""
        subscription = Subscription(self, frozenset(topics))
        self._subscriptions.add(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription; doing so twice is no error."""
        self._subscriptions.discard(subscription)

    def wake(self, topics: Iterable[str]) -> None:
        """Wake everyone who listens to one of `topics`."""
        woken = frozenset(topics)
        for subscription in self._subscriptions:
            if not subscription.topics or not subscription.topics.isdisjoint(woken):
                subscription.wake()

    def wake_all(self) -> None:
        """Wake everyone, after a time in which wake-ups may have been missed."""
        for subscription in self._subscriptions:
            subscription.wake()
