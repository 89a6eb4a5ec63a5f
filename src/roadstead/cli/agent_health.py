"""Whether the agent of a deployment is well, as its supervisor asks once it was ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

from roadstead.agent.control import answers
from roadstead.cli.answers import api_answers, pool_takes_tasks
from roadstead.cli.settings import Config, agent_socket
from roadstead.engines.supervise import Check, NotReady

ALONE_SECONDS = 300.0
"""How long an agent may have no link to a server that answers. By itself it waits up to two minutes before it tries again."""
_SERVER_SECONDS = 1.0


class AgentHealth:
    """An agent is well when it says so, and is not without a link for long while its server answers.

    A server that is away, or has no database, is nothing that another agent would mend.
    """

    def __init__(self, data: Path, config: Config) -> None:
        self._socket = agent_socket(data)
        self._server = api_answers(data, config)
        self._pool = pool_takes_tasks(data, config)
        self._alone_since: float | None = None

    async def __call__(self) -> bool:
        """Ask once; raises OSError where no agent listens, and NotReady for one that is alone for too long."""
        if not await answers(self._socket):
            return False
        if await _passes(self._pool) or not await _passes(self._server):
            self._alone_since = None
            return True
        now = asyncio.get_running_loop().time()
        if self._alone_since is None:
            self._alone_since = now
        if now - self._alone_since > ALONE_SECONDS:
            raise NotReady(f"no link for {now - self._alone_since:.0f} s to a server that answers")
        return True


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(_SERVER_SECONDS):
            return await check()
    except (OSError, NotReady):
        return False
