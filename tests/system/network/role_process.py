"""A host role as a process of its own, to be killed: reads one List frame from a file, writes statuses as lines of JSON.

Usage: python -m tests.system.network.role_process TAG FRAME_FILE
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from roadstead.agent.host.network.gateway import Relay, ServerEndpoint
from roadstead.agent.host.role import HostRole
from roadstead.wire.hosts import Frame, HostResourceStatus, ListFrame


async def main(tag: str, file: Path) -> None:
    async def frames(revision: int | None) -> AsyncIterator[Frame]:
        del revision
        yield msgspec.json.decode(file.read_bytes(), type=ListFrame)
        await asyncio.Event().wait()

    async def report(statuses: Sequence[HostResourceStatus]) -> None:
        for status in statuses:
            sys.stdout.write(msgspec.json.encode(status).decode() + "\n")
        sys.stdout.flush()

    role = HostRole(
        tag=tag,
        server_endpoint=ServerEndpoint("127.0.0.1", 4566),
        relay=Relay("h-1", b"key"),
        frames=frames,
        report=report,
    )
    await role.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
