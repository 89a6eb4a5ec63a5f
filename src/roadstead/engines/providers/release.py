"""Official releases: downloaded, checked against the pinned SHA-256, unpacked."""

from __future__ import annotations

import asyncio
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

from roadstead.engines.cache import sha256_of
from roadstead.engines.download import DownloadFailed, download
from roadstead.engines.errors import NotProvided
from roadstead.engines.host import HostFacts
from roadstead.engines.recipe import Asset, Recipe, ReleaseProvider

Report = Callable[[int, int | None], None]
"""Called with bytes received and, when the server tells, bytes in total."""


async def fetch(
    provider: ReleaseProvider, recipe: Recipe, host: HostFacts, downloads: Path, target: Path, report: Report
) -> dict[str, str]:
    """Put the engine's files into the directory `target`; returns URL and checksum of each download.

    Unfinished downloads stay in `downloads` and are resumed by the next attempt. Raises NotProvided when nothing is pinned
    for this architecture, the server can't be reached or sends something else than what was pinned.
    """
    assets = [asset for asset in provider.assets if asset.architecture == host.architecture]
    if not assets:
        raise NotProvided(
            f"no download of {recipe.name} {provider.version or recipe.version} is pinned for {host.architecture}"
        )
    origin: dict[str, str] = {}
    for asset in assets:
        archive = await _fetch_one(asset, downloads, report)
        try:
            await asyncio.to_thread(_unpack, asset, archive, recipe, target)
        finally:
            archive.unlink()
        origin[f"download {asset.url}"] = f"sha256:{asset.sha256}"
    return origin


async def _fetch_one(asset: Asset, downloads: Path, report: Report) -> Path:
    part = downloads / f"{asset.sha256}.part"
    stop = threading.Event()
    loop = asyncio.get_running_loop()

    def report_here(done: int, total: int | None) -> None:
        loop.call_soon_threadsafe(report, done, total)

    worker = loop.run_in_executor(None, download, asset.url, part, stop, report_here)
    try:
        await asyncio.shield(worker)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([worker])
        raise
    except DownloadFailed as failure:
        raise NotProvided(str(failure), advice=f"make {asset.url} reachable, then run this again") from failure
    actual = await asyncio.to_thread(sha256_of, part)
    if actual != asset.sha256:
        part.unlink()
        raise NotProvided(
            f"{asset.url} has the SHA-256 {actual}, pinned is {asset.sha256}",
            advice="do not use that download: a proxy may have changed it, or the release was replaced",
        )
    return part


def _unpack(asset: Asset, archive: Path, recipe: Recipe, target: Path) -> None:
    if not asset.members:
        shutil.copyfile(archive, target / recipe.check.file)
        return
    try:
        with tarfile.open(archive) as tar:
            for file, member in asset.members.items():
                source = tar.extractfile(member)
                if source is None:
                    raise NotProvided(f"{member} in {asset.url} is no file; the recipe is wrong")
                with source, (target / file).open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except (KeyError, tarfile.TarError) as error:
        raise NotProvided(f"{asset.url} was not packed as the recipe says: {error}") from error
