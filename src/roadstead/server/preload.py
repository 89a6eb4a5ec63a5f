"""Loading the service models before anybody asks: the first request of a service should not wait for a file of megabytes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncGenerator

from roadstead.gateway.models import SERVICES, service_model
from roadstead.server.operations import DECLARED


def _in_order() -> list[str]:
    """Services with operations first."""
    built = {name.partition(":")[0] for name in DECLARED}
    return sorted(SERVICES, key=lambda name: (name not in built, name))


@contextlib.asynccontextmanager
async def models_loading() -> AsyncGenerator[None]:
    """Load all models in a thread while the context lasts; leaving it early stops after the one that is being loaded."""
    enough = threading.Event()

    def load() -> None:
        for name in _in_order():
            if enough.is_set():
                return
            service_model(name)
        gc.freeze()  # what is loaded stays: the collector need not walk a million objects of models every now and then

    loading = asyncio.create_task(asyncio.to_thread(load), name="models")
    try:
        yield
    finally:
        enough.set()
        await loading
