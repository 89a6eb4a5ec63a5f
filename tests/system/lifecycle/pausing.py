"""`roadstead` with an `up` that pauses when it has the data directory and is not on record: `python -m tests.system.lifecycle.pausing FILE up ...`.

It writes FILE then, and goes on when that has gone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from roadstead.agent.runtime import config
from roadstead.cli import main


def pause_before_the_record(flag: Path) -> None:
    write = config.write

    def pausing(settings: Any) -> None:
        flag.touch()
        while flag.exists():
            time.sleep(0.01)
        write(settings)

    config.write = pausing


if __name__ == "__main__":
    pause_before_the_record(Path(sys.argv.pop(1)))
    main()
