"""All examinations together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from roadstead.engines.catalog import Catalog
from roadstead.engines.checkup.cgroups import examine_cgroups
from roadstead.engines.checkup.engines import examine_engines
from roadstead.engines.checkup.finding import Finding
from roadstead.engines.checkup.kernel import examine_kernel
from roadstead.engines.checkup.privileges import examine_privileges
from roadstead.engines.checkup.surroundings import examine_disk, examine_names


async def examine(catalog: Catalog, data: Path) -> list[Finding]:
    """Look at everything; `data` is the directory in which the deployment lives or will live."""
    return [
        *examine_privileges(catalog.host),
        examine_cgroups(),
        *await asyncio.to_thread(examine_kernel),
        await asyncio.to_thread(examine_names),
        examine_disk(data),
        examine_disk(catalog.cache.root),
        *await examine_engines(catalog),
    ]
