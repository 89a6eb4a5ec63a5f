"""How often registries are pulled from and logged in to, for metrics: counted in memory, and told once a minute.

Pushes, deletions and changes of repositories are events of their own (`ecr.image`, `ecr.repository`), since they are commits. A pull and a login
write nothing; CloudWatch's RepositoryPullCount and usage metrics are sums over minutes, and so is what is told here. A crash loses what was not
told yet.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from roadstead.kernel.clock import Clock
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.store import Event, Store, Transaction

TOPIC = "ecr.activity"

_Registry = tuple[str, str]
"""Account and region, which is PUBLIC for public registries."""


class ActivityRecorder:
    """Counts, for each registry. One for each server; what servers tell adds up."""

    what = "activity of registries"
    interval_seconds = 60.0

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pulls: Counter[RepositoryKey] = Counter()
        self._logins: Counter[_Registry] = Counter()
        self._since = clock.now()

    def pulled(self, key: RepositoryKey) -> None:
        """Count a pull of an image: its manifest was handed out."""
        self._pulls[key] += 1

    def logged_in(self, account: str, region: str) -> None:
        """Count a login of an account's principal: a token was given out."""
        self._logins[account, region] += 1

    async def flush(self) -> int:
        """Tell what was counted in an event for each registry; returns how many. When that fails, it is kept for the next time."""
        pulls, logins, since, until = self._pulls, self._logins, self._since, self._clock.now()
        registries = {(key.account, key.region) for key in pulls} | set(logins)
        if not registries:
            self._since = until
            return 0
        self._pulls, self._logins, self._since = Counter(), Counter(), until

        async def tell(tx: Transaction) -> None:
            for account, region in sorted(registries):
                payload = {
                    "logins": logins[account, region],
                    "pulls": {
                        key.name: times
                        for key, times in pulls.items()
                        if (key.account, key.region) == (account, region)
                    },
                    **_period(since, until),
                }
                tx.emit(Event(TOPIC, account, region, account, payload))

        try:
            await self._store.run(tell)
        except BaseException:
            self._pulls.update(pulls)
            self._logins.update(logins)
            self._since = since
            raise
        return len(registries)


def _period(since: datetime, until: datetime) -> dict[str, str]:
    return {"since": since.isoformat(), "until": max(since, until).isoformat()}
