"""A registry in a process of its own, to be killed: `python -m tests.service.registry.served DIRECTORY`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.service.registry.harness import running_registry


async def main(root: Path) -> None:
    fresh = not (root / "roadstead.db").exists()
    async with running_registry(root, fresh=fresh) as registry:
        if fresh:
            await registry.create_repository("web")
        print(json.dumps({"port": registry.port, "token": await registry.token()}), flush=True)
        await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1])))
