"""Which operations exist here, read from the models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from roadstead.gateway.models.catalog import SERVICES
from roadstead.gateway.models.loader import service_model


@dataclass(frozen=True, slots=True)
class ServiceCoverage:
    """The operations of one service, those that are built and those that answer NotImplemented."""

    service: str
    protocols: tuple[str, ...]
    built: tuple[str, ...]
    missing: tuple[str, ...]


def coverage(declared: Collection[str]) -> list[ServiceCoverage]:
    """Every service that Roadstead is about, in the order of its name; `declared` are the names of the operations that are built."""
    found: list[ServiceCoverage] = []
    for name in sorted(SERVICES):
        model = service_model(name)
        built = tuple(o for o in model.operation_names if f"{name}:{o}" in declared)
        missing = tuple(o for o in model.operation_names if f"{name}:{o}" not in declared)
        protocols = model.metadata.get("protocols") or [model.metadata["protocol"]]
        found.append(ServiceCoverage(service=name, protocols=tuple(protocols), built=built, missing=missing))
    return found
