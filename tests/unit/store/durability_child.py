"""A process that writes for ever, and says what was acknowledged. The test ends it, at no moment that it chose.

Usage: durability_child.py DIRECTORY LIMIT. Prints `row NAME` and `blob LOCATION` lines, each after its acknowledgement.
Every other blob is poured.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
from itertools import count, cycle
from pathlib import Path

from sqlalchemy import insert
from tests.unit.store.pouring import Poured
from tests.unit.store.tables import things

from roadstead.store import open_store
from roadstead.store.blobs import Digest, DiskBlobStore


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def main(directory: Path, limit: int) -> None:
    blobs = DiskBlobStore(directory / "blobs")
    store = await open_store(f"sqlite:///{directory / 'db'}")
    await store.create_all()
    numbers = count()

    async def write_rows(worker: int) -> None:
        while (number := next(numbers)) < limit:
            name = f"{worker}-{number}"
            async with store.transaction() as tx:
                await tx.execute(insert(things).values(name=name, payload="x" * random.randint(0, 3000)))
            say(f"row {name}")

    async def write_blobs() -> None:
        for poured in cycle((True, False)):
            if (number := next(numbers)) >= limit:
                return
            data = f"{number}".encode() * 1000
            digest = Digest("sha256", hashlib.sha256(data).hexdigest())
            upload = await blobs.create_upload()
            await blobs.append(upload, 0, Poured(data, piece=700) if poured else data)
            sealed = await blobs.seal(upload, digest)
            say(f"blob {sealed.location}")

    say("ready")
    await asyncio.gather(write_blobs(), *(write_rows(worker) for worker in range(6)))
    await store.close()
    await blobs.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
