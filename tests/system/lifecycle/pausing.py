"""`roadstead` with an `up` that pauses at its beginning: `python -m tests.system.lifecycle.pausing MOMENT FILE up ...`.

It writes FILE then, and goes on when that has gone. MOMENT is `installing`, while it installs engines, or `recording`, when it has the data
directory and is not on record.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from roadstead.agent.runtime import config
from roadstead.cli import deployment, main


def pause_while_installing(flag: Path) -> None:
    install = deployment.installed_engines

    async def pausing(settings: Any) -> Any:
        flag.touch()
        while flag.exists():  # noqa: ASYNC110 - another process takes it away
            await asyncio.sleep(0.01)
        return await install(settings)

    deployment.installed_engines = pausing


def pause_before_the_record(flag: Path) -> None:
    write = config.write

    def pausing(settings: Any) -> None:
        flag.touch()
        while flag.exists():
            time.sleep(0.01)
        write(settings)

    config.write = pausing


if __name__ == "__main__":
    moment, file = sys.argv.pop(1), Path(sys.argv.pop(1))
    {"installing": pause_while_installing, "recording": pause_before_the_record}[moment](file)
    main()
