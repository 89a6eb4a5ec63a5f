"""Which engines are there, and where those that are not could come from."""

from __future__ import annotations

import asyncio

from roadstead.engines.catalog import Catalog
from roadstead.engines.checkup.finding import Finding, Verdict


async def examine_engines(catalog: Catalog) -> list[Finding]:
    """One finding an engine that every deployment runs."""
    return [await _examine(catalog, name) for name in catalog.names("engine")]


async def _examine(catalog: Catalog, name: str) -> Finding:
    found, refused = await catalog.find(name)
    subject = f"engine {name}"
    if found is None:
        reasons = "; ".join(attempt.reason for _, attempt in refused) or "not installed"
        detail = f"{reasons}; it can come from: {', '.join(catalog.sources(name))}"
        return Finding(subject, Verdict.WARNING, detail, f"roadstead engines install {name}")
    if damaged := await asyncio.to_thread(catalog.verify, name):
        detail = f"{', '.join(damaged)} changed since it was installed"
        return Finding(subject, Verdict.PROBLEM, detail, f"roadstead engines install --again {name}")
    return Finding(subject, Verdict.OK, f"{found.version} ({found.provider})")
